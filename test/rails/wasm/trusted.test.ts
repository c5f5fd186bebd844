import { beforeAll, describe, expect, it } from 'vitest';
import { readModule, trustedRunner, type WasmModule } from '../../../src/rails/index.ts';
import { assembled, template } from '../../support/assemblyscript.ts';

/** Takes memory with each evaluation and never gives it back, as the templates do, and does what its input says. */
const greedy = `
export function abi_version(): i32 { return 1; }
export function alloc(length: i32): usize { return heap.alloc(<usize>length); }
let asked: i32 = 0;
function packed(text: string): i64 {
  const bytes = String.UTF8.encode(text);
  return ((<i64>changetype<usize>(bytes)) << 32) | <i64>bytes.byteLength;
}
export function evaluate(ptr: usize, length: i32): i64 {
  asked++;
  const input = String.UTF8.decodeUnsafe(ptr, <usize>length);
  if (input.includes('trap')) unreachable();
  if (input.includes('deep')) return evaluate(ptr, length) + 1;
  if (input.includes('bomb')) { while (memory.grow(16) >= 0) {} ; unreachable(); }
  if (input.includes('outside')) return ((<i64>0xfffffff0) << 32) | 8;
  if (input.includes('first')) return packed('{"match":' + (asked == 1 ? 'true' : 'false') + '}');
  heap.alloc(20000);
  return packed('{"match":true}');
}
`;

let rule: WasmModule;
let taking: WasmModule;
beforeAll(async () => {
  [rule, taking] = [readModule(await assembled(template)), readModule(await assembled(greedy))];
}, 120_000);

describe('a module somebody vouches for', () => {
  it('answers at once, in this thread', () => {
    const run = trustedRunner(rule.module, rule.pages);
    expect(run('{"llm.estimatedTokens":5000}')).toEqual({ match: true, reason: 'Too long for this rule' });
    expect(run('{"llm.estimatedTokens":10}')).toEqual({ match: false });
    expect(run('{}')).toEqual({ unable: 'llm.estimatedTokens is not there' });
  });

  it('says the same however often it is asked, though it never gives memory back', () => {
    const run = trustedRunner(taking.module, taking.pages);
    for (let i = 0; i < 2_000; i++) expect(run('"more"')).toEqual({ match: true });
    const small = trustedRunner(rule.module, rule.pages);
    for (let i = 0; i < 20_000; i++) small('{"llm.estimatedTokens":5000}');
    expect(small('{"llm.estimatedTokens":10}')).toEqual({ match: false });
  });

  it('is kept between evaluations, and replaced where it trapped', () => {
    const run = trustedRunner(taking.module, taking.pages);
    expect([run('"first"'), run('"first"')]).toEqual([{ match: true }, { match: false }]);
    expect(run('"trap"')).toEqual({ unable: expect.stringMatching(/^it trapped: /) });
    expect(run('"first"')).toEqual({ match: true });
  });

  it('makes unable of a trap, of a stack too deep, of too much memory and of an output that is none', () => {
    const run = trustedRunner(taking.module, taking.pages);
    for (const word of ['trap', 'deep', 'bomb'])
      expect(run(`"${word}"`), word).toEqual({ unable: expect.stringMatching(/^it trapped: /) });
    expect(run('"outside"')).toEqual({ unable: 'its output lies outside of its memory' });
    expect(run(`"${'x'.repeat(1024 * 1024)}"`)).toEqual({ unable: 'its input is larger than 1048576 bytes' });
    expect(run('"more"')).toEqual({ match: true });
  });

  it('may not have more memory than is allowed', () => {
    expect(trustedRunner(taking.module, 2)('"more"')).toEqual({ match: true });
    const tight = trustedRunner(taking.module, 3);
    const said = Array.from({ length: 20 }, () => tight('"more"'));
    expect(said).toEqual(Array.from({ length: 20 }, () => ({ match: true })));
    expect(trustedRunner(rule.module, 1)('{"llm.estimatedTokens":10}')).toEqual({
      unable: 'its memory has grown to more than 1 pages',
    });
  });
});
