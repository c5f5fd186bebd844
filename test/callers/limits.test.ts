import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nanoUsd } from '../../src/callers/index.ts';
import { modelRule } from '../../src/callers/models.ts';

describe('dollars', () => {
  it('become nano-dollars exactly, whatever their decimals', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 9_007_198 }),
        fc.nat({ max: 999_999 }),
        fc.nat({ max: 6 }),
        (whole, fraction, digits) => {
          const text = digits === 0 ? String(whole) : `${whole}.${String(fraction).padStart(6, '0').slice(0, digits)}`;
          const [int = '', frac = ''] = text.split('.');
          expect(nanoUsd(Number(text))).toBe(Number(BigInt(int + frac.padEnd(9, '0'))));
        },
      ),
    );
    expect(nanoUsd(0)).toBe(0);
    expect(nanoUsd(0.1 + 0.2)).toBeUndefined();
    expect(nanoUsd(1e-9)).toBe(1);
    expect(nanoUsd(1.5e-8)).toBe(15);
    expect(nanoUsd(9007199.25)).toBe(9_007_199_250_000_000);
  });

  it('that no store counts exactly are refused', () => {
    for (const usd of [9007199.26, 1e7, 1e300, 1e-10, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(nanoUsd(usd), String(usd)).toBeUndefined();
    }
  });
});

describe('a model pattern', () => {
  it('matches as the expression it stands for', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', '-', '.'), maxLength: 6 });
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '-', '.', '*'), maxLength: 6 });
    fc.assert(
      fc.property(pattern, word, (glob, model) => {
        const expression = new RegExp(`^${glob.replaceAll('.', '\\.').replaceAll('*', '.*')}$`);
        expect(modelRule([glob])(model)).toBe(expression.test(model));
      }),
      { numRuns: 2000 },
    );
  });

  it('takes no longer for a name made to be hard', () => {
    const hard = modelRule([`${'*a'.repeat(200)}*b`]);
    expect(hard('a'.repeat(100_000))).toBe(false);
  });
});
