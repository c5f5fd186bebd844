import type { Policy } from './policy.ts';

/** How a policy was written, where that is more than what it decides: templates, declared parameters, what it extends. */
const written = new WeakMap<Policy, object>();

export function rememberWritten(policy: Policy, as: object): void {
  written.set(policy, as);
}

export function writtenOf(policy: Policy): object | undefined {
  return written.get(policy);
}
