import type { Rate } from '../ledger.ts';
import { advance } from '../tally.ts';
import type { Admission } from './admission.ts';
import type { Organization } from './organization.ts';
import type { Scribe } from './records.ts';
import { spendHold } from './state.ts';

/** Settles at the estimate what its owner abandoned. Says how many, and when the next lease is over. */
export function expire(organizations: Iterable<Organization>, scribe: Scribe, now_ms: number) {
  let reaped = 0;
  let next_ms = Number.POSITIVE_INFINITY;
  for (const org of organizations) {
    for (const hold of org.holds.values()) {
      if (hold.provisional) continue;
      if (hold.expires_ms > now_ms) {
        if (hold.expires_ms < next_ms) next_ms = hold.expires_ms;
        continue;
      }
      const time_ms = org.tick(now_ms);
      for (const counter of hold.counters) advance(counter, time_ms);
      scribe.reaped(org, hold, time_ms);
      spendHold(hold, hold, true, time_ms);
      reaped++;
    }
  }
  return { reaped, next_ms };
}

/**
 * Holds of a process that is over live on as long as they had left when it was last heard of: where its clock was ahead of
 * this one's, the moment they were to end at may be a month away.
 */
export function inherit(organizations: Iterable<Organization>, now_ms: number): void {
  for (const { time_ms, holds } of organizations) {
    if (time_ms <= now_ms) continue;
    for (const hold of holds.values()) {
      // One that ends before was taken by a clock that had been set back already.
      if (hold.expires_ms > time_ms) hold.expires_ms -= time_ms - now_ms;
    }
  }
}

/** Limits in force from now on: `amend`, people and a restart go by them. */
export function govern(org: Organization, scribe: Scribe, admission: Admission, rates: readonly Rate[]): void {
  for (let at = 0; at < admission.counters.length; at++) {
    const counter = admission.counters[at];
    const budget = admission.governing[at];
    if (counter === undefined || budget === undefined) continue;
    counter.budget = budget;
    if (counter.limit === budget.limit && counter.hard === budget.hard) continue;
    counter.limit = budget.limit;
    counter.hard = budget.hard;
    if (counter.mark !== 0) scribe.limit(org, counter);
  }
  for (const rate of rates) {
    const limited = org.rate(rate);
    limited.rate = rate;
    limited.limit = rate.limit;
  }
}
