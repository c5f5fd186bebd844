import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { eventually } from './money.ts';

const distProgram = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const install = new URL('../../scripts/install.mjs', import.meta.url).href;
const building = fileURLToPath(new URL('../../node_modules/.building-dist', import.meta.url));

/** `dist/` as users run it. `npm test` builds first; where it was not, one test builds and the others wait. */
async function built(): Promise<string> {
  if (existsSync(distProgram)) return distProgram;
  try {
    mkdirSync(building);
  } catch {
    await eventually('the build', () => !existsSync(building), 120_000);
    return distProgram;
  }
  try {
    execFileSync(process.execPath, ['--input-type=module', '-e', `import { build } from '${install}'; build();`]);
  } finally {
    rmdirSync(building);
  }
  return distProgram;
}

/** The program in a process of its own, as a shell would start it. */
export interface CliProcess {
  readonly child: ChildProcess;
  /** Everything it has written so far. */
  readonly out: string;
  readonly err: string;
  /** Resolves once the output matches; rejects when the process ends before. */
  says(pattern: RegExp, within_ms?: number): Promise<RegExpExecArray>;
  /** Resolves with its exit code, or the name of the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  kill(signal: NodeJS.Signals): void;
}

export interface CliOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A script that starts the program, instead of the program. */
  readonly program?: string;
}

/** Starts `llm-policy` with nothing of our own environment but the path. */
export async function startCli(
  args: readonly string[],
  { cwd, env = {}, program: script }: CliOptions,
): Promise<CliProcess> {
  const program = script ?? (await built());
  const child = spawn(process.execPath, [program, ...args], {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  let over = false;
  child.stdout?.on('data', (bytes) => {
    out += bytes;
  });
  child.stderr?.on('data', (bytes) => {
    err += bytes;
  });
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('close', (code, signal) => {
      over = true;
      resolve(code ?? signal ?? 'SIGKILL');
    });
  });
  return {
    child,
    ended,
    get out() {
      return out;
    },
    get err() {
      return err;
    },
    async says(pattern, within_ms = 60_000) {
      let found: RegExpExecArray | null = null;
      await eventually(
        `${pattern} in:\n${out}${err}`,
        () => {
          found = pattern.exec(out);
          if (found === null && over) throw new Error(`it ended without ${pattern}:\n${out}${err}`);
          return found !== null;
        },
        within_ms,
      );
      return found as unknown as RegExpExecArray;
    },
    kill: (signal) => void child.kill(signal),
  };
}

/** Runs a command to its end; one that has none is killed after 60 s. */
export async function runCli(args: readonly string[], options: CliOptions) {
  const cli = await startCli(args, options);
  const limit = setTimeout(() => cli.kill('SIGKILL'), 60_000);
  const code = await cli.ended;
  clearTimeout(limit);
  return { code, out: cli.out, err: cli.err };
}

/** A gateway that `llm-policy serve` runs in a process of its own. */
export interface ServedGateway {
  readonly cli: CliProcess;
  readonly origin: string;
  readonly admin: string;
  readonly metrics: string;
}

/** Runs `serve` on a configuration and waits until it listens. */
export async function serveCli(file: string, options: CliOptions): Promise<ServedGateway> {
  const cli = await startCli(['serve', '--config', file, '--json'], options);
  const [line] = await cli.says(/^\{"addresses".*$/m).catch((error: unknown) => {
    cli.kill('SIGKILL');
    throw error;
  });
  const { addresses } = JSON.parse(line) as { addresses: { data: string; admin: string; metrics: string } };
  return { cli, origin: addresses.data, admin: addresses.admin, metrics: addresses.metrics };
}
