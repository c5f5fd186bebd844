import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { localMs } from '../../../src/policy/cel/zone.ts';

describe('a time zone', () => {
  it('shows what a clock there shows, whatever was asked before', () => {
    const shown = (ms: number, zone: string) =>
      new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' }).format(ms);
    const zone = fc.constantFrom('Europe/Vienna', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'America/St_Johns', 'UTC');
    const time = fc.integer({ min: Date.UTC(1960, 0, 1), max: Date.UTC(2040, 0, 1) });
    fc.assert(
      fc.property(
        zone,
        time,
        fc.array(fc.integer({ min: -3_600_000, max: 3_600_000 }), { maxLength: 8 }),
        (name, start, steps) => {
          for (const step of [0, ...steps]) {
            const local = localMs(start + step, name) ?? Number.NaN;
            expect(new Date(local).toISOString().slice(0, 19).replace('T', ' ')).toBe(shown(start + step, name));
          }
        },
      ),
    );
  });

  it('changes its clocks to the second', () => {
    const change = Date.UTC(2026, 2, 29, 1);
    expect([change - 1, change].map((ms) => ((localMs(ms, 'Europe/Vienna') ?? 0) - ms) / 3_600_000)).toEqual([1, 2]);
  });

  it('is none where there is none', () => {
    expect(localMs(0, 'Mars/Olympus')).toBeUndefined();
    expect(localMs(0, 'a'.repeat(10_000))).toBeUndefined();
  });
});
