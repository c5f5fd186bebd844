import { expect, test } from 'vitest';
import { moment, span } from '../../src/surfaces/cli/moment.ts';
import { instantOf } from '../../src/surfaces/instant.ts';

const day_ms = 86_400_000;

test('a time is RFC 3339 with its zone, or a date of the calendar: a number of days is no month of 2001', () => {
  expect(moment('since', '2026-11-01')).toBe(Date.parse('2026-11-01T00:00:00Z'));
  expect(moment('since', '2026-11-01T00:30:00+02:00')).toBe(Date.parse('2026-10-31T22:30:00Z'));
  expect(moment('since', '2024-02-29T12:00:00Z')).toBe(Date.parse('2024-02-29T12:00:00Z'));
  for (const text of ['12', '2026-11', '2026-11-01T00:00:00', 'Nov 1, 2026', '2026-02-31', '2026-02-30T00:00:00Z']) {
    expect.soft(() => moment('since', text), text).toThrow('--since is a time');
    expect.soft(instantOf(text), text).toBeUndefined();
  }
});

test('how long ago is a moment that a date can say', () => {
  expect(Math.abs(Date.now() - 30 * day_ms - Number(moment('since', '30d')))).toBeLessThan(60_000);
  expect(moment('since', '800000d')).toBe(0);
  for (const text of ['999999999999d', '9007199254740993m']) expect.soft(span(text), text).toBeUndefined();
});
