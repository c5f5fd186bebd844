import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openWasmPool, readModule, type WasmModule, type WasmPool } from '../../../src/rails/index.ts';
import { assembled, template } from '../../support/assemblyscript.ts';

/** Remembers all it can: in numbers of four kinds, in memory it owns, in memory nobody gave it, in memory that grows. */
const remembering = `
let seen: i32 = 0;
let long: i64 = 1;
let short: f32 = 0;
let real: f64 = 0;
const words: string[] = [];
export function abi_version(): i32 { return 1; }
export function alloc(length: i32): usize { return heap.alloc(<usize>length); }
function packed(text: string): i64 {
  const bytes = String.UTF8.encode(text);
  return ((<i64>changetype<usize>(bytes)) << 32) | <i64>bytes.byteLength;
}
function twice(x: i32): i32 { return x * 2; }
function thrice(x: i32): i32 { return x * 3; }
let chosen: (x: i32) => i32 = twice;
export function evaluate(ptr: usize, length: i32): i64 {
  const input = String.UTF8.decodeUnsafe(ptr, <usize>length);
  const told = [seen.toString(), long.toString(), short.toString(), real.toString(), words.length.toString(),
    chosen(7).toString(), load<i32>(70000).toString(), load<i32>(131000).toString(), memory.size().toString()].join(' ');
  seen++;
  long *= 3;
  short += 0.5;
  real += 0.25;
  chosen = thrice;
  words.push(input);
  store<i32>(70000, seen + 41);
  store<i32>(131000, seen + 42);
  if (input.includes('grow')) memory.grow(1);
  if (input.includes('trap')) unreachable();
  return packed('{"match":false,"reason":"' + told + '"}');
}
`;

let kept: WasmModule;
let pool: WasmPool;
beforeAll(async () => {
  kept = readModule(await assembled(remembering));
  pool = openWasmPool({ threads: 1, failures_max: 1_000_000 });
}, 120_000);
afterAll(() => pool.close());

describe('an instance that is used again', () => {
  it('is as it was made, whatever it was asked before', async () => {
    expect(kept.rewind?.globals.length).toBeGreaterThan(5);
    expect(kept.rewind?.table).toBeDefined();
    const fresh = await pool.evaluate(kept, '"plain"', 20_000);
    expect(fresh).toEqual({ match: false, reason: expect.stringMatching(/^0 1 0\.0 0\.0 0 14 0 0 2$/) });
    const words = fc.array(fc.constantFrom('plain', 'grow', 'trap', 'x'.repeat(5_000)), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(words, async (list) => {
        for (const word of list) {
          const said = await pool.evaluate(kept, JSON.stringify(word), 20_000);
          expect(said).toEqual(word === 'trap' ? { unable: expect.stringMatching(/^it trapped/) } : fresh);
        }
      }),
      { numRuns: 60 },
    );
  }, 120_000);

  it('is made anew where its state cannot be seen: in memory too large to copy', async () => {
    const large = await assembledWith(template, 16);
    expect(large.rewind).toBeUndefined();
    expect(await pool.evaluate(large, '{"llm.estimatedTokens":5000}', 20_000)).toMatchObject({ match: true });
    expect(await pool.evaluate(large, '{"llm.estimatedTokens":1}', 20_000)).toEqual({ match: false });
  }, 120_000);

  it('has the same hash as its file, whatever is exported of it beside', async () => {
    const bytes = await assembled(template);
    const { createHash } = await import('node:crypto');
    expect(readModule(bytes).hash).toBe(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
  }, 120_000);
});

async function assembledWith(source: string, pages: number): Promise<WasmModule> {
  return readModule(await assembled(source, 32, pages));
}
