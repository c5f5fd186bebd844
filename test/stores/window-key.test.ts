import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Budget } from '../../src/stores/index.ts';
import { windowKey } from '../../src/stores/index.ts';
import { budgetOfKey } from '../../src/stores/window-key.ts';

const of = (window: Budget['window'], timeZone?: string, unit: Budget['unit'] = 'nusd') => ({
  scope: { kind: 'team', id: 'research' } as const,
  window,
  unit,
  ...(timeZone === undefined ? {} : { timeZone }),
});
const at = (text: string) => Date.parse(text);
const iso = (ms: number) => new Date(ms).toISOString();

describe('the key of a window', () => {
  test('names scope, window and date as CONTRACT has it; other units and zones are said at the end', () => {
    const now = at('2026-11-21T09:06:10Z');
    expect(windowKey(of('minute'), now).key).toBe('budget:team:research:minute:2026-11-21T0906');
    expect(windowKey(of('hour'), now).key).toBe('budget:team:research:hour:2026-11-21T09');
    expect(windowKey(of('day'), now).key).toBe('budget:team:research:day:2026-11-21');
    expect(windowKey(of('week'), now).key).toBe('budget:team:research:week:2026-W47');
    expect(windowKey(of('month'), now).key).toBe('budget:team:research:month:2026-11');
    expect(windowKey(of('total'), now)).toEqual({ key: 'budget:team:research:total', start_ms: 0, end_ms: 0 });
    expect(windowKey(of('day', 'UTC', 'tokens'), now).key).toBe('budget:team:research:day:2026-11-21:tokens');
    expect(windowKey(of('day', 'Asia/Tokyo'), at('2026-11-21T15:00:00Z')).key).toBe(
      'budget:team:research:day:2026-11-22@Asia/Tokyo',
    );
    expect(windowKey(of('hour', 'Asia/Kolkata'), now).key).toBe(
      'budget:team:research:hour:2026-11-21T14+0530@Asia/Kolkata',
    );
  });

  test('weeks are those of ISO 8601', () => {
    expect(windowKey(of('week'), at('2027-01-03T23:59:59Z')).key).toContain('2026-W53');
    expect(windowKey(of('week'), at('2027-01-04T00:00:00Z')).key).toContain('2027-W01');
    expect(windowKey(of('week'), at('2024-12-30T00:00:00Z')).key).toContain('2025-W01');
  });

  test('a day that a clock change shortens or lengthens is one window', () => {
    const spring = windowKey(of('day', 'Europe/Berlin'), at('2026-03-29T10:00:00Z'));
    expect([iso(spring.start_ms), iso(spring.end_ms)]).toEqual([
      '2026-03-28T23:00:00.000Z',
      '2026-03-29T22:00:00.000Z',
    ]);
    const autumn = windowKey(of('day', 'Europe/Berlin'), at('2026-10-25T10:00:00Z'));
    expect(autumn.end_ms - autumn.start_ms).toBe(25 * 3_600_000);
  });

  test('an hour shown twice is two windows', () => {
    const keys = ['2026-10-25T00:30:00Z', '2026-10-25T01:30:00Z'].map(
      (text) => windowKey(of('hour', 'Europe/Berlin'), at(text)).key,
    );
    expect(keys[0]).toContain('T02+0200');
    expect(keys[1]).toContain('T02+0100');
  });

  test('a day whose midnight does not exist starts when the clocks jump', () => {
    const cairo = windowKey(of('day', 'Africa/Cairo'), at('2026-04-24T10:00:00Z'));
    expect([cairo.key, iso(cairo.start_ms)]).toEqual([
      'budget:team:research:day:2026-04-24@Africa/Cairo',
      '2026-04-23T22:00:00.000Z',
    ]);
  });

  test('an unknown zone is a RangeError', () => {
    expect(() => windowKey(of('day', 'Mars/Olympus'), 0)).toThrow(RangeError);
  });

  const zones = [
    'UTC',
    'Europe/Berlin',
    'America/New_York',
    'Asia/Kolkata',
    'Australia/Lord_Howe',
    'Africa/Cairo',
    'Pacific/Apia',
    'America/St_Johns',
    'America/Sao_Paulo',
    'Pacific/Kiritimati',
  ];
  const anyWindow = fc.constantFrom<Budget['window']>('minute', 'hour', 'day', 'week', 'month');
  const anyTime = fc.integer({ min: at('2010-01-01T00:00:00Z'), max: at('2030-01-01T00:00:00Z') });

  test('windows follow each other without a gap or an overlap, in every zone', () => {
    fc.assert(
      fc.property(anyWindow, fc.constantFrom(...zones), anyTime, (window, zone, now) => {
        const one = windowKey(of(window, zone), now);
        expect(one.start_ms).toBeLessThanOrEqual(now);
        expect(one.end_ms).toBeGreaterThan(now);
        // Half-hour clock changes cut an hour short; all other windows touch exactly.
        if (window === 'hour' && zone === 'Australia/Lord_Howe') return;
        expect(windowKey(of(window, zone), one.end_ms).start_ms).toBe(one.end_ms);
        expect(windowKey(of(window, zone), one.end_ms - 1)).toEqual(one);
        expect(windowKey(of(window, zone), one.start_ms)).toEqual(one);
        expect(windowKey(of(window, zone), one.end_ms).key).not.toBe(one.key);
      }),
      { numRuns: 1_500 },
    );
  });

  test('a key tells its budget and its end again', () => {
    const unit = fc.constantFrom<Budget['unit']>('nusd', 'tokens', 'requests');
    const id = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(
        fc.oneof(anyWindow, fc.constant<Budget['window']>('total')),
        fc.constantFrom(...zones),
        anyTime,
        unit,
        id,
        (window, zone, now, unit, id) => {
          const budget = { ...of(window, zone, unit), scope: { kind: 'user', id } as const };
          const { key, end_ms } = windowKey(budget, now);
          expect(key).toMatch(/^[!-z|~]+$/);
          const told = budgetOfKey(key);
          expect(told).toMatchObject({ end_ms, budget: { scope: budget.scope, window, unit } });
          if (window !== 'total' && zone !== 'UTC') expect(told?.budget.timeZone).toBe(zone);
        },
      ),
      { numRuns: 500 },
    );
  });
});
