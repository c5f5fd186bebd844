import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Failure, type FailureCode, failures } from '../../src/exchange/index.ts';
import { backoff_ms, fallsBack, retryable } from '../../src/providers/index.ts';

const policy = { backoff_ms: 250, backoff_max_ms: 8000, retry_after_max_ms: 10_000 };
const codes = Object.keys(failures) as FailureCode[];

describe('trying again', () => {
  test('is for what the provider did and may not do again', () => {
    expect(codes.filter((code) => retryable(new Failure(code, '')))).toEqual([
      'no_healthy_provider',
      'upstream_error',
      'upstream_unreachable',
      'upstream_timeout',
    ]);
    expect(retryable(new Failure('upstream_error', '', { status: 400, retryable: false }))).toBe(false);
  });

  test('elsewhere is also for refused credentials and models that are not there', () => {
    expect(fallsBack(new Failure('upstream_auth', ''))).toBe(true);
    expect(fallsBack(new Failure('upstream_error', '', { status: 404, retryable: false }))).toBe(true);
    expect(fallsBack(new Failure('upstream_error', '', { status: 400, retryable: false }))).toBe(false);
    for (const code of ['policy_denied', 'insufficient_quota', 'rate_limit_exceeded', 'invalid_request'] as const) {
      expect(fallsBack(new Failure(code, ''))).toBe(false);
    }
  });

  test('waits longer each time, within bounds, and never less than asked', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.option(fc.nat(10), { nil: undefined }),
        (attempt, random, retryAfterSeconds) => {
          const failure = new Failure(
            'upstream_error',
            '',
            retryAfterSeconds === undefined ? {} : { retryAfterSeconds },
          );
          const wait = backoff_ms(failure, attempt, random, policy)!;
          expect(wait).toBeGreaterThanOrEqual((retryAfterSeconds ?? 0) * 1000);
          expect(wait).toBeLessThanOrEqual(Math.max(policy.backoff_max_ms, (retryAfterSeconds ?? 0) * 1000 + 250));
          expect(wait).toBeGreaterThan(0 - 1);
        },
      ),
    );
    const waits = [1, 2, 3].map((attempt) => backoff_ms(new Failure('upstream_error', ''), attempt, 1, policy));
    expect(waits).toEqual([250, 500, 1000]);
  });

  test('is given up where the provider asks for more than we wait', () => {
    expect(backoff_ms(new Failure('upstream_error', '', { retryAfterSeconds: 11 }), 1, 0, policy)).toBeUndefined();
  });
});
