import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Renewals } from '../../src/pipeline/renewals.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Somebody who notes when it was renewed, in ms since the test began. */
function living(): { renew(): void; readonly at: number[] } {
  const began = Date.now();
  const at: number[] = [];
  return { renew: () => void at.push(Date.now() - began), at };
}

test('whoever lives is renewed within the period, again and again, whenever it came', () => {
  const renewals = new Renewals(3000);
  const early = living();
  renewals.add(early);
  vi.advanceTimersByTime(1400);
  const late = living();
  renewals.add(late);
  vi.advanceTimersByTime(12_000);
  for (const { at } of [early, late]) {
    expect(at.length).toBeGreaterThanOrEqual(4);
    for (const [index, moment] of at.entries()) {
      const since = moment - (at[index - 1] ?? 0);
      expect(since).toBeLessThanOrEqual(3000);
      expect(since).toBeGreaterThanOrEqual(1500);
    }
  }
});

test('who was removed is not renewed any more, nor who comes into its place at once', () => {
  const renewals = new Renewals(3000);
  const [gone, other, next] = [living(), living(), living()];
  const place = renewals.add(gone);
  renewals.add(other);
  vi.advanceTimersByTime(2900);
  renewals.remove(place);
  expect(renewals.add(next)).toBe(place);
  vi.advanceTimersByTime(100);
  expect([gone.at, other.at, next.at]).toEqual([[], [3000], []]);
  vi.advanceTimersByTime(3000);
  expect([gone.at, other.at, next.at]).toEqual([[], [3000, 6000], [4500]]);
});

test('the timer rests while nobody lives, and a place given back twice is free once', () => {
  const renewals = new Renewals(3000);
  const place = renewals.add(living());
  renewals.remove(place);
  renewals.remove(place);
  vi.advanceTimersByTime(1500);
  expect(vi.getTimerCount()).toBe(0);
  const [one, two] = [living(), living()];
  expect(renewals.add(one)).not.toBe(renewals.add(two));
  vi.advanceTimersByTime(3000);
  expect([one.at, two.at]).toEqual([[3000], [3000]]);
});
