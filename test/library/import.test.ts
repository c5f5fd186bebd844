import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  name: string;
  exports: Record<string, { types: string; default: string }>;
};
const entrances = Object.keys(exports).map((path) => path.replace(/^\./, name));

/** Imports an entrance as users do, and tells what that did beside defining it. */
const script = (entrance: string) => `
  // What Node's own loader looks at for each module.
  const ofNode = ['NODE_V8_COVERAGE', 'WATCH_REPORT_DEPENDENCIES'];
  const read = [];
  const env = process.env;
  Object.defineProperty(process, 'env', { value: new Proxy(env, { get(of, key) { if (!ofNode.includes(key)) read.push(String(key)); return of[key]; } }) });
  const open = async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return process.getActiveResourcesInfo().sort().join();
  };
  const before = await open();
  const listeners = process.eventNames().length;
  const defined = Object.keys(await import(${JSON.stringify(entrance)}));
  const left = (await open()) === before ? 'nothing' : await open();
  const listening = process.eventNames().length - listeners;
  process.stdout.write('told ' + JSON.stringify({ defined, read, left, listening }));
`;

describe.each(entrances)('importing %s', (entrance) => {
  test('opens nothing, reads no environment and prints nothing, where code generation is forbidden', () => {
    const args = ['--disallow-code-generation-from-strings', '--input-type=module', '-e', script(entrance)];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout.startsWith('told ')).toBe(true);
    const { defined, ...did } = JSON.parse(stdout.slice(5)) as { defined: string[] };
    expect(did).toEqual({ read: [], left: 'nothing', listening: 0 });
    expect(defined.length).toBeGreaterThan(0);
  });
});

test('every entrance has its types, and decides without generating code', () => {
  for (const { types } of Object.values(exports)) expect(existsSync(join(root, types)), types).toBe(true);
  const decide = `
    import { PolicyEngine, PolicyParser } from '${name}';
    const engine = new PolicyEngine();
    engine.addPolicy(new PolicyParser().parseYaml(\`
metadata: { id: p, name: P, version: 1.0.0 }
rules: [{ id: r, when: 'llm.estimatedCost > 1.0 && llm.model.matches("^gpt")', action: { decision: deny, reason: dear } }]\`));
    const { decision } = await engine.evaluate({ requestId: 'r', context: { llm: { model: 'gpt-4o', estimatedCost: 2 } } });
    process.stdout.write(decision.allowed + ' ' + decision.reason);
  `;
  const args = ['--disallow-code-generation-from-strings', '--input-type=module', '-e', decide];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  expect([stdout, stderr]).toEqual(['false dear', '']);
});
