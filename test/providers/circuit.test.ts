import { describe, expect, test } from 'vitest';
import { Failure } from '../../src/exchange/index.ts';
import { alwaysHealthy, type Candidate, circuitBreaker } from '../../src/providers/index.ts';
import { provider } from './load.ts';

const here = provider({});
const candidate: Candidate = { provider: here, model: 'm' };
const other: Candidate = { provider: here, model: 'n' };
const failed = (status = 502) => ({ kind: 'failed', failure: new Failure('upstream_error', '', { status }) }) as const;
const answered = { kind: 'answered', first_byte_ms: 1 } as const;

function breaker() {
  const clock = { now_ms: 0 };
  return { clock, health: circuitBreaker({ failures: 3, open_ms: 1000 }, () => clock.now_ms) };
}

describe('a circuit', () => {
  test('opens after failures in a row, for its candidate alone', () => {
    const { health } = breaker();
    for (let i = 0; i < 2; i += 1) health.report(candidate, failed());
    expect(health.healthy(candidate)).toBe(true);
    health.report(candidate, failed());
    expect([health.healthy(candidate), health.healthy(other)]).toEqual([false, true]);
  });

  test('starts counting anew after an answer', () => {
    const { health } = breaker();
    for (const outcome of [failed(), failed(), answered, failed(), failed()]) health.report(candidate, outcome);
    expect(health.healthy(candidate)).toBe(true);
  });

  test('lets one call probe after its time, and closes when that is answered', () => {
    const { health, clock } = breaker();
    for (let i = 0; i < 3; i += 1) health.report(candidate, failed());
    clock.now_ms = 999;
    expect(health.healthy(candidate)).toBe(false);
    clock.now_ms = 1000;
    expect([health.healthy(candidate), health.healthy(candidate)]).toEqual([true, false]);
    health.report(candidate, failed());
    clock.now_ms = 1999;
    expect(health.healthy(candidate)).toBe(false);
    clock.now_ms = 2000;
    expect(health.healthy(candidate)).toBe(true);
    health.report(candidate, answered);
    expect([health.healthy(candidate), health.healthy(candidate)]).toEqual([true, true]);
  });

  test('probes again where a probe was never heard of', () => {
    const { health, clock } = breaker();
    for (let i = 0; i < 3; i += 1) health.report(candidate, failed());
    clock.now_ms = 1000;
    expect(health.healthy(candidate)).toBe(true);
    clock.now_ms = 2000;
    expect(health.healthy(candidate)).toBe(true);
  });

  test('is not opened by refusals of requests or by rate limits, and is by refused credentials', () => {
    const { health } = breaker();
    for (let i = 0; i < 9; i += 1) health.report(candidate, failed(i % 2 === 0 ? 429 : 400));
    expect(health.healthy(candidate)).toBe(true);
    for (let i = 0; i < 3; i += 1)
      health.report(candidate, { kind: 'failed', failure: new Failure('upstream_auth', '') });
    expect(health.healthy(candidate)).toBe(false);
  });

  test('is forgotten where callers make up more names than are kept', () => {
    const { health } = breaker();
    for (let name = 0; name < 1500; name += 1) {
      for (let i = 0; i < 3; i += 1) health.report({ provider: here, model: `m${name}` }, failed());
    }
    expect(health.healthy({ provider: here, model: 'm0' })).toBe(true);
    expect(health.healthy({ provider: here, model: 'm1499' })).toBe(false);
  });

  test('is never open where none is kept', () => {
    for (let i = 0; i < 9; i += 1) alwaysHealthy.report(candidate, failed());
    expect(alwaysHealthy.healthy(candidate)).toBe(true);
  });
});
