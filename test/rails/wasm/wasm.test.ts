import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openWasmPool, readModule, type WasmModule, type WasmPool } from '../../../src/rails/index.ts';
import { assembled, template } from '../../support/assemblyscript.ts';

const deadline_ms = 20_000;

/** Does what its input says. */
const naughty = `
let kept: i32 = 0;
export function abi_version(): i32 { return 1; }
export function alloc(length: i32): usize { return heap.alloc(<usize>length); }
function packed(text: string): i64 {
  const bytes = String.UTF8.encode(text);
  return ((<i64>changetype<usize>(bytes)) << 32) | <i64>bytes.byteLength;
}
export function evaluate(ptr: usize, length: i32): i64 {
  const input = String.UTF8.decodeUnsafe(ptr, <usize>length);
  if (input.includes('trap')) unreachable();
  if (input.includes('loop')) { while (true) { kept++; } }
  if (input.includes('bomb')) { while (memory.grow(16) >= 0) {} ; unreachable(); }
  if (input.includes('flood')) return ((<i64>0) << 32) | 100000;
  if (input.includes('outside')) return ((<i64>0xfffffff0) << 32) | 8;
  if (input.includes('text')) return packed('not json');
  if (input.includes('list')) return packed('[1]');
  if (input.includes('maybe')) return packed('{"unable":"who knows"}');
  kept++;
  return packed('{"match":' + (kept > 1 ? 'true' : 'false') + '}');
}
`;

let rule: WasmModule;
let bad: WasmModule;
let pool: WasmPool;
beforeAll(async () => {
  [rule, bad] = [readModule(await assembled(template)), readModule(await assembled(naughty))];
  pool = openWasmPool({ threads: 2, failures_max: 1_000 });
}, 120_000);
afterAll(() => pool.close());

describe('a module of WASM', () => {
  it('is taken when it keeps to the ABI', () => {
    expect(rule.hash).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  it('is refused when it imports, does not bound its memory, misses an export, or is none', async () => {
    const refused = (bytes: Uint8Array) => () => readModule(bytes);
    expect(
      refused(await assembled(`// with abort\n${template}\nexport function boom(): void { throw new Error('x'); }`)),
    ).toThrow(/imports env\.abort/);
    expect(refused(await assembled(template, 0))).toThrow('must declare a maximum');
    expect(refused(await assembled(template, 1_000))).toThrow('may grow to 1000 pages');
    expect(refused(await assembled(template.replace('export function abi_version', 'function abi_version')))).toThrow(
      'does not export the function abi_version',
    );
    expect(refused(Uint8Array.of(0, 97, 115, 109))).toThrow('no valid WebAssembly');
    expect(refused(new Uint8Array(5_000_000))).toThrow('larger than');
  }, 120_000);
});

describe('the pool of threads', () => {
  const ask = (module: WasmModule, input: object) => pool.evaluate(module, JSON.stringify(input), deadline_ms);

  it('runs the template: a verdict, a reason, and what it cannot tell', async () => {
    expect(await ask(rule, { 'llm.estimatedTokens': 5_000 })).toEqual({
      match: true,
      reason: 'Too long for this rule',
    });
    expect(await ask(rule, { 'llm.estimatedTokens': 10 })).toEqual({ match: false });
    expect(await ask(rule, {})).toEqual({ unable: 'llm.estimatedTokens is not there' });
  });

  it('makes unable of a trap, of too much memory, and of an output that is none', async () => {
    const why = async (word: string) => (await ask(bad, { word })) as { unable: string };
    expect((await why('trap')).unable).toMatch(/^it trapped: /);
    expect((await why('bomb')).unable).toMatch(/^it trapped: /);
    expect(await why('flood')).toEqual({ unable: 'its output is larger than 65536 bytes' });
    expect(await why('outside')).toEqual({ unable: 'its output lies outside of its memory' });
    expect(await why('text')).toEqual({ unable: 'its output is no JSON' });
    expect(await why('list')).toEqual({ unable: 'its output has no match' });
    expect(await why('maybe')).toEqual({ unable: 'who knows' });
  });

  it('leaves nothing of one call for the next', async () => {
    for (let i = 0; i < 3; i++) expect(await ask(bad, { plain: i })).toEqual({ match: false });
  });

  it('ends a thread that is stuck, and goes on with another', async () => {
    const stuck = Array.from({ length: 3 }, () => pool.evaluate(bad, '"loop"', 300));
    for (const verdict of await Promise.all(stuck))
      expect(verdict).toEqual({ unable: expect.stringMatching(/within 300 ms/) });
    expect(await ask(rule, { 'llm.estimatedTokens': 10 })).toEqual({ match: false });
  });

  it('lets nobody wait behind what is stuck while another thread is free', async () => {
    const answered: string[] = [];
    const asked = Array.from({ length: 16 }, async (_, i) => {
      const name = i === 0 ? 'stuck' : 'plain';
      const verdict = await (i === 0 ? pool.evaluate(bad, '"loop"', 5_000) : ask(bad, { plain: i }));
      answered.push(name);
      return verdict;
    });
    const verdicts = await Promise.all(asked);
    expect(answered.at(-1)).toBe('stuck');
    expect(verdicts[0]).toEqual({ unable: 'it gave no answer within 5000 ms' });
    expect(verdicts.slice(1)).toEqual(Array.from({ length: 15 }, () => ({ match: false })));
  });

  it('asks of another thread what one that ended had not begun', async () => {
    const one = openWasmPool({ threads: 1, failures_max: 1_000 });
    await one.evaluate(bad, '"plain"', deadline_ms);
    const verdicts = await Promise.all([
      one.evaluate(bad, '"loop"', 1_000),
      ...Array.from({ length: 12 }, (_, i) => one.evaluate(bad, `"plain ${i}"`, deadline_ms)),
    ]);
    expect(verdicts).toEqual([
      { unable: expect.stringMatching(/within 1000 ms$/) },
      ...Array.from({ length: 12 }, () => ({ match: false })),
    ]);
    await one.close();
  });

  it('answers a thousand at once, each its own', async () => {
    const tokens = Array.from({ length: 1_000 }, (_, i) => i * 8);
    const many = openWasmPool({ threads: 2 });
    const verdicts = await Promise.all(
      tokens.map((one) => many.evaluate(rule, `{"llm.estimatedTokens":${one}}`, 60_000)),
    );
    expect(verdicts.map((verdict) => 'match' in verdict && verdict.match)).toEqual(tokens.map((one) => one > 4_000));
    expect(await Promise.all([many.evaluate(rule, '{}', 60_000), many.close()])).toMatchObject([
      { unable: expect.any(String) },
      undefined,
    ]);
  }, 120_000);

  it('does not ask a module that fails again and again, and tries it after a rest', async () => {
    // Long enough for all that is asked meanwhile.
    const rest_ms = 2_000;
    const short = openWasmPool({ threads: 1, failures_max: 2, rest_ms });
    for (let i = 0; i < 2; i++)
      expect(await short.evaluate(bad, '"trap"', deadline_ms)).toMatchObject({
        unable: expect.stringContaining('trapped'),
      });
    const failed = performance.now();
    expect(await short.evaluate(bad, '"plain"', deadline_ms)).toMatchObject({
      unable: expect.stringContaining('failed too often'),
    });
    expect(await short.evaluate(rule, '{"llm.estimatedTokens":1}', deadline_ms)).toEqual({ match: false });
    await expect.poll(() => short.evaluate(bad, '"plain"', deadline_ms)).toEqual({ match: false });
    expect(performance.now() - failed).toBeGreaterThan(rest_ms / 2);
    await short.close();
  });
});
