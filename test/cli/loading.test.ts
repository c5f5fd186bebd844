import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runCli } from '../support/cli-process.ts';

const policy = `metadata: { id: house }
rules:
  - { id: one, condition: { operator: eq, field: llm.model, value: x }, action: { decision: deny, reason: not that } }
`;

/** Packages a command line loads, as the engine that runs it tells. */
async function loadedBy(...args: string[]): Promise<readonly string[]> {
  const cwd = mkdtempSync(join(tmpdir(), 'llm-policy-loading-'));
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
  writeFileSync(join(cwd, 'house.yaml'), policy);
  const told = join(cwd, 'told');
  const { code, err } = await runCli(args, { cwd, env: { NODE_V8_COVERAGE: told } });
  expect([code, err]).toEqual([0, '']);
  const urls = readdirSync(told).flatMap((name) =>
    (JSON.parse(readFileSync(join(told, name), 'utf8')) as { result: { url: string }[] }).result.map(({ url }) => url),
  );
  // Its own modules are joined: a program that found and linked each by itself took a third longer to start.
  const own = urls.filter((url) => !url.includes('/node_modules/'));
  const apart = own.flatMap((url) => /\/dist\/((?!program\/).*)/.exec(url)?.[1] ?? []);
  expect(apart.sort()).toEqual(['cli.js', 'gateway/ticks.js']);
  // Where npm put them, or beside the program they are bundled with.
  const place = /\/(?:node_modules\/((?:@[^/]+\/)?[^/]+)\/|dist\/program\/([^/]+)\.js$)/;
  const packages = urls.flatMap((url) => place.exec(url)?.slice(1) ?? []).filter((name) => name !== undefined);
  return [...new Set(packages)];
}

/** What a gateway and its configuration are made of. */
const heavy = ['fastify', 'undici', 'ioredis', 'bullmq', 'ajv', 'typebox', 'libphonenumber-js'];

test('a command that needs no gateway and no configuration waits for neither to be loaded', async () => {
  for (const args of [
    ['--help'],
    ['eval', '1 + 2'],
    ['validate', 'house.yaml'],
    ['evaluate', 'house.yaml', '--context', '{}', '--default', 'allow'],
  ]) {
    const loaded = await loadedBy(...args);
    expect(
      loaded.filter((name) => heavy.includes(name)),
      args.join(' '),
    ).toEqual([]);
  }
  expect(await loadedBy('config', 'schema')).toContain('typebox');
  expect(existsSync(join(import.meta.dirname, '../../dist/program/libphonenumber-js.js'))).toBe(true);
  expect(await loadedBy('config', 'check')).not.toContain('libphonenumber-js');
});
