import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VerdictCache } from '../../src/gateway/verdict-cache.ts';
import type { WasmAnswer } from '../../src/policy/index.ts';

/** A module as the cache sees it: what it says follows from what it is asked, and it cannot tell of some. */
const said = (module: string, input: string): WasmAnswer =>
  input.includes('9')
    ? { unable: 'trapped' }
    : { match: (module + input).length % 2 === 0, reason: `${module} ${input}` };

const without = (answer: WasmAnswer): object => {
  const { cached: _, ...rest } = { cached: undefined, ...answer };
  return rest;
};

describe('the cache of verdicts', () => {
  it('says what a module says, whatever was asked before, of whom and when', async () => {
    const step = fc.record({
      tenant: fc.constantFrom('', 'a', 'ab', 'b'),
      module: fc.constantFrom('sha256:1', 'sha256:2'),
      input: fc.constantFrom('{}', '{"a":1}', '{"a":9}', 'b{}', '1{}'),
      after: fc.constantFrom(0, 0, 40, 150),
      at_once: fc.boolean(),
    });
    let hits = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
        let now = 1_000;
        const cache = new VerdictCache({ bytes_max: 900, now: () => now });
        const asked = new Map<string, number>();
        const waiting: Promise<void>[] = [];
        for (const { tenant, module, input, after, at_once } of steps) {
          now += after;
          const at = now;
          const key = JSON.stringify([tenant, module, input]);
          const ask = async (): Promise<WasmAnswer> => {
            await Promise.resolve();
            asked.set(key, now);
            return said(module, input);
          };
          const answer = cache.answer({ tenant, module, input }, { ttl_ms: 100, shared: false }, ask);
          const checked = Promise.resolve(answer).then((told) => {
            expect(without(told)).toEqual(said(module, input));
            if ('cached' in told && told.cached === true) {
              hits++;
              // Of the same tenant, module and input, and not too long ago.
              expect(at - (asked.get(key) ?? Number.NEGATIVE_INFINITY)).toBeLessThanOrEqual(100);
            }
          });
          if (at_once) waiting.push(checked);
          else await checked;
        }
        await Promise.all(waiting);
      }),
      { numRuns: 300 },
    );
    expect(hits).toBeGreaterThan(5);
  });

  it('forgets after its time', async () => {
    let now = 5;
    let asked = 0;
    const cache = new VerdictCache({ now: () => now });
    const ask = () =>
      cache.answer({ tenant: 'a', module: 'm', input: '{}' }, { ttl_ms: 1_000, shared: false }, async () => {
        asked++;
        return { match: true };
      });
    await ask();
    now += 999;
    expect(await ask()).toEqual({ match: true, cached: true });
    now += 2;
    expect(await ask()).toEqual({ match: true });
    expect(asked).toBe(2);
  });

  it('asks equal questions at one time once, and tells nobody that they were known before', async () => {
    const cache = new VerdictCache();
    let asked = 0;
    let answer = (_: WasmAnswer) => {};
    const ask = () => {
      asked++;
      return new Promise<WasmAnswer>((resolve) => {
        answer = resolve;
      });
    };
    const question = { tenant: 'a', module: 'm', input: '{}' };
    const all = Array.from({ length: 5 }, () => cache.answer(question, { ttl_ms: 1_000, shared: false }, ask));
    const other = cache.answer({ ...question, tenant: 'b' }, { ttl_ms: 1_000, shared: false }, async () => ({
      match: false,
    }));
    answer({ match: true, reason: 'so' });
    expect(await Promise.all(all)).toEqual(Array.from({ length: 5 }, () => ({ match: true, reason: 'so' })));
    expect(await other).toEqual({ match: false });
    expect(asked).toBe(1);
  });

  it('keeps nothing that a module could not tell', async () => {
    const cache = new VerdictCache();
    let asked = 0;
    const ask = async (): Promise<WasmAnswer> => (++asked === 1 ? { unable: 'too slow' } : { match: true });
    const question = { tenant: 'a', module: 'm', input: '{}' };
    expect(await cache.answer(question, { ttl_ms: 1_000, shared: false }, ask)).toEqual({ unable: 'too slow' });
    expect(await cache.answer(question, { ttl_ms: 1_000, shared: false }, ask)).toEqual({ match: true });
    expect(await cache.answer(question, { ttl_ms: 1_000, shared: false }, ask)).toEqual({ match: true, cached: true });
  });

  it('keeps within its bytes', async () => {
    const cache = new VerdictCache({ bytes_max: 10_000 });
    let asked = 0;
    const ask = (input: string) =>
      cache.answer({ tenant: 'a', module: 'm', input }, { ttl_ms: 60_000, shared: false }, async () => {
        asked++;
        return { match: true, reason: 'r'.repeat(500) };
      });
    for (let i = 0; i < 100; i++) await ask(String(i));
    asked = 0;
    for (let i = 99; i >= 0; i--) await ask(String(i));
    // Each takes 1,256 bytes: seven fit.
    expect(asked).toBeGreaterThanOrEqual(93);
    expect(asked).toBeLessThan(100);
  });
});
