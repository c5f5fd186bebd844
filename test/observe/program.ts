import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vite';

/**
 * Runs a TypeScript file as a process of its own, so that it can be killed. It is bundled when it runs for the
 * first time, since the oldest Node we serve does not read types.
 */
export async function runProgram(
  file: string,
  outDir: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ChildProcess> {
  const program = join(outDir, 'program.mjs');
  if (!existsSync(program)) {
    await build({
      configFile: false,
      logLevel: 'error',
      build: { ssr: file, outDir, target: 'node20', rollupOptions: { output: { entryFileNames: 'program.mjs' } } },
      ssr: { noExternal: true },
    });
  }
  return spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
}

/** Kills a process as a crash does and waits until it is gone. */
export async function crash(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}
