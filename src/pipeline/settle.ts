import type { Usage } from '../exchange/index.ts';
import { price } from '../providers/index.ts';
import { LedgerUnavailable } from '../stores/index.ts';
import type { Admitted, Hold } from './admit.ts';
import type { Answered, Attempts } from './attempt.ts';
import { likelyInputTokens, likelyTokens } from './estimate.ts';
import type { Identified } from './identify.ts';
import type { ReplyMeter } from './reply-meter.ts';
import type { Walk } from './walk.ts';

/** What an exchange cost, and whether we counted it ourselves. */
export interface Cost {
  readonly nusd: number;
  readonly usage: Usage;
  readonly tokens: number;
  readonly estimated: boolean;
}

/** The cost of a reply so far in dollars, for response facts; undefined where the price is unknown. `at_ms` is the exchange's own moment: hold and cost share it. */
export function costOf(at_ms: number, answered: Answered, meter: ReplyMeter): number | undefined {
  if (answered.candidate.price === undefined || meter.usage === undefined) return undefined;
  const nusd = price(answered.candidate.price, meter.usage, at_ms);
  return nusd === undefined ? undefined : nusd / 1e9;
}

/**
 * Usage to cost. What the provider told counts; what it did not tell is counted from what was observed, and marked.
 * Zero is a number: a told zero is not replaced.
 */
export function finalCost(admitted: Admitted, attempts: Attempts, meter: ReplyMeter | undefined): Cost {
  const told = meter?.usage;
  const sent = attempts.sent || meter !== undefined;
  if (!sent) return { nusd: 0, usage: {}, tokens: 0, estimated: false };
  const complete = meter?.complete === true && told?.input !== undefined && told.output !== undefined;
  const observed = meter === undefined ? 0 : likelyTokens(meter.characters);
  const usage: Usage = complete
    ? told
    : {
        ...told,
        input: told?.input ?? likelyInputTokens(admitted.view),
        // A reply that broke off may have told its output so far (Anthropic's first event says 1): the larger counts.
        output: Math.max(told?.output ?? 0, observed),
      };
  const book = attempts.candidate?.price;
  const nusd = book === undefined ? 0 : (price(book, usage, admitted.at_ms) ?? 0);
  return { nusd, usage, tokens: wholeTokens(usage), estimated: !complete };
}

/** Tokens as the ledger counts them. A provider that tells fractions must not make a settlement fail. */
function wholeTokens({ input = 0, output = 0 }: Usage): number {
  const sum = Math.ceil(Math.max(0, input)) + Math.ceil(Math.max(0, output));
  return Math.min(sum, Number.MAX_SAFE_INTEGER);
}

/** An exchange for which something is held. */
export interface Held extends Identified {
  readonly hold: Pick<Hold, 'kept'>;
}

/**
 * Hold to cost, once, whatever happened. Never throws: a lost ledger keeps the settlement in its own journal and sends
 * it when it is back. A call that reached nobody gives its hold back.
 */
export async function settle(walk: Walk, held: Held, cost: Cost, reached: boolean): Promise<void> {
  const organization = held.identity.caller.organization.id;
  if (!held.hold.kept) return;
  try {
    if (!reached) await walk.ledger.release(held.id, organization);
    else {
      await walk.ledger.settle({
        id: held.id,
        organization,
        amount: { nusd: cost.nusd, tokens: cost.tokens },
        estimated: cost.estimated,
      });
    }
  } catch (thrown) {
    if (!(thrown instanceof LedgerUnavailable)) throw thrown;
  }
}
