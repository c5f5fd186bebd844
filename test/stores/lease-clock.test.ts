import fc from 'fast-check';
import { expect, test } from 'vitest';
import { leaseClock } from '../../src/stores/leased/lease-clock.ts';

/** Both clocks of a machine, as its owner, its sleep and whoever sets the time move them. */
function machine() {
  const at = { monotonic_ms: 5_000, wall_ms: 1_800_000_000_000 };
  const clock = leaseClock(
    () => at.monotonic_ms,
    () => Math.floor(at.wall_ms),
  );
  const pass = (ms: number) => {
    at.monotonic_ms += ms;
    at.wall_ms += ms;
  };
  const sleep = (ms: number) => {
    at.wall_ms += ms;
  };
  return { at, clock, pass, sleep };
}

test('goes with the monotonic clock while nothing happens, whatever the parts of a millisecond', () => {
  const { clock, pass } = machine();
  const began_ms = clock();
  for (let at = 0; at < 1_000; at++) {
    pass(0.37);
    clock();
  }
  expect(clock() - began_ms).toBeCloseTo(370);
});

test('goes on while the machine sleeps, and over a clock that is set ahead', () => {
  const { clock, pass, sleep } = machine();
  const began_ms = clock();
  sleep(60_000);
  pass(5);
  expect(clock() - began_ms).toBeGreaterThanOrEqual(60_004);
  sleep(3_600_000);
  expect(clock() - began_ms).toBeGreaterThanOrEqual(3_660_004);
});

test('does not go back with a clock that is set back, and finds out the next sleep all the same', () => {
  const { clock, pass, sleep } = machine();
  const began_ms = clock();
  sleep(-3_600_000);
  pass(10);
  expect(clock() - began_ms).toBeCloseTo(10);
  sleep(30_000);
  expect(clock() - began_ms).toBeGreaterThanOrEqual(30_009);
});

test('never goes back, and never by less than the monotonic clock', () => {
  const step = fc.record({ pass: fc.integer({ min: 0, max: 5_000 }), sleep: fc.integer({ min: -9_000, max: 9_000 }) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const { clock, pass, sleep } = machine();
      let before_ms = clock();
      for (const one of steps) {
        pass(one.pass);
        sleep(one.sleep);
        const now_ms = clock();
        expect(now_ms - before_ms).toBeGreaterThanOrEqual(one.pass);
        // What is less than a step of the clock may wait for more of it.
        expect(now_ms - before_ms).toBeGreaterThanOrEqual(one.pass + one.sleep - 21);
        before_ms = now_ms;
      }
    }),
  );
});
