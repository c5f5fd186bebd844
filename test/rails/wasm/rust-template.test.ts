import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openWasmPool, readModule, trustedRunner, type WasmModule } from '../../../src/rails/index.ts';
import { assembled, template } from '../../support/assemblyscript.ts';

const example = new URL('../../../examples/wasm/rust/', import.meta.url);
const textOf = (path: string) => readFileSync(new URL(path, example), 'utf8');

/** A compiler with the target: of `RUSTC`, of the path, or the system's (on Debian: rustc, libstd-rust-dev-wasm32, lld). */
const rustc = [process.env.RUSTC ?? '', 'rustc', '/usr/bin/rustc'].find((name) => {
  if (name === '') return false;
  const { status, stdout } = spawnSync(name, ['--print', 'target-libdir', '--target', 'wasm32-unknown-unknown'], {
    encoding: 'utf8',
  });
  return status === 0 && existsSync(stdout.trim());
});

/** What `cargo build --release` hands the compiler for this package. */
function flags(): readonly string[] {
  const profile = /\[profile\.release\]\n([\s\S]*)$/.exec(textOf('Cargo.toml'))?.[1] ?? '';
  const options = Array.from(profile.matchAll(/^(\S+) = (.+)$/gm), ([, name = '', value = '']) => {
    const plain = value.replaceAll('"', '');
    const [key, set] = name === 'strip' ? ['strip', 'symbols'] : [name, plain === 'true' ? 'yes' : plain];
    return ['-C', `${key}=${set}`];
  });
  const linking = /rustflags = \[(.*)\]/.exec(textOf('.cargo/config.toml'))?.[1] ?? '';
  return [...options.flat(), ...linking.split(',').map((flag) => flag.trim().replaceAll('"', ''))];
}

describe.runIf(rustc !== undefined)(
  'the template in Rust (skipped where no rustc has the target wasm32-unknown-unknown)',
  () => {
    let directory = '';
    const pool = openWasmPool({ threads: 1 });
    let ours: WasmModule;
    let built: WasmModule;
    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), 'rust-rule-'));
      ours = readModule(await assembled(template));
      const out = join(directory, 'rule.wasm');
      const source = new URL('src/lib.rs', example).pathname;
      const target = ['--target', 'wasm32-unknown-unknown', '--crate-type', 'cdylib', '--edition', '2021'];
      execFileSync(rustc ?? '', [...target, ...flags(), '-o', out, source], { stdio: 'pipe' });
      built = readModule(readFileSync(out));
    }, 300_000);
    afterAll(async () => {
      await pool.close();
      rmSync(directory, { recursive: true });
    });

    it('says the same as the one in AssemblyScript, pooled and in the thread', async () => {
      const run = trustedRunner(built.module, built.pages);
      for (const input of [
        '{"llm.estimatedTokens":5000}',
        '{"llm.estimatedTokens":10}',
        '{"llm.estimatedTokens":4000}',
        '{"llm.estimatedTokens":4000.5,"team.tier":"\u00fc"}',
        '{"team.tier":"free","llm.estimatedTokens":1e4}',
        '{}',
      ]) {
        const said = await pool.evaluate(ours, input, 60_000);
        expect(await pool.evaluate(built, input, 60_000), input).toEqual(said);
        expect(run(input), input).toEqual(said);
      }
    }, 120_000);

    it('bounds its memory as its settings say, and is used again', async () => {
      expect(built.pages).toBe(32);
      expect(built.rewind).toBeDefined();
      const run = trustedRunner(built.module, built.pages);
      for (let i = 0; i < 20_000; i++) run('{"llm.estimatedTokens":5000}');
      expect(run('{"llm.estimatedTokens":10}')).toEqual({ match: false });
    }, 120_000);
  },
);
