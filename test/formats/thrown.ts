import { expect } from 'vitest';
import { Failure } from '../../src/exchange/index.ts';

/** The failure a call throws; anything else fails the test. */
export function thrown(call: () => unknown): Failure {
  try {
    call();
  } catch (failure) {
    expect(failure).toBeInstanceOf(Failure);
    return failure as Failure;
  }
  return expect.fail('nothing was thrown');
}
