import type { RequestView, Usage } from '../exchange/index.ts';
import { type Candidate, price } from '../providers/index.ts';
import { type Labels, LedgerUnavailable } from '../stores/index.ts';
import { type Admitted, type Hold, pricedAs } from './admit.ts';
import type { Answered } from './attempt.ts';
import type { Attempts, Refusal } from './attempts.ts';
import type { CallLimits } from './call-limits.ts';
import { countedInput } from './count-input.ts';
import { heldOutput, likelyCalls, likelyInputFor, likelyTokens } from './estimate.ts';
import type { Identified } from './identify.ts';
import type { ReplyMeter } from './reply-meter.ts';
import { sentView } from './sent.ts';
import type { Walk } from './walk.ts';

/** What an exchange cost, and whether we counted it ourselves. */
export interface Cost {
  readonly nusd: number;
  readonly usage: Usage;
  readonly tokens: number;
  /** Part of the tokens that is input. */
  readonly input: number;
  readonly estimated: boolean;
}

/** The cost of a reply so far in dollars, for response facts; undefined where the price is unknown. `at_ms` is the exchange's own moment: hold and cost share it. */
export function costOf(at_ms: number, answered: Answered, meter: ReplyMeter): number | undefined {
  if (answered.candidate.price === undefined || meter.usage === undefined) return undefined;
  const nusd = price(answered.candidate.price, meter.usage, at_ms);
  return nusd === undefined ? undefined : nusd / 1e9;
}

export const noCost: Cost = Object.freeze({ nusd: 0, usage: {}, tokens: 0, input: 0, estimated: false });

/**
 * Usage to cost. What the provider told counts; what it did not tell is counted from what was observed, with the model's
 * own tokeniser where there is one, and marked. Zero is a number: a told zero is not replaced. Tries that fell silent
 * and may be billed are added to the one that answered. A promise only where tokens must be counted.
 */
export function finalCost(
  walk: Walk,
  admitted: Admitted,
  attempts: Attempts,
  meter: ReplyMeter | undefined,
): Cost | Promise<Cost> {
  const { unanswered, candidate, hold } = attempts;
  // A try that was under way when the exchange ended is not among those that failed.
  const underWay = attempts.sent && meter === undefined && unanswered.length === 0;
  if (meter === undefined && !underWay) return withUnanswered(unanswered, undefined);
  const view = sentView(admitted, attempts.verdict);
  const { at_ms } = admitted;
  const told = meter?.usage;
  if (meter?.whole === true && !meter.outdated && told?.input !== undefined && told.output !== undefined) {
    return withUnanswered(unanswered, costed(view, at_ms, candidate, told, true));
  }
  return countedCost({ walk, view, at_ms, hold, candidate, meter }, unanswered);
}

function withUnanswered(unanswered: readonly Cost[], last: Cost | undefined): Cost {
  if (unanswered.length === 0) return last ?? noCost;
  const costs = last === undefined ? unanswered : [last, ...unanswered];
  return {
    nusd: costs.reduce((sum, { nusd }) => added(sum, nusd), 0),
    tokens: costs.reduce((sum, { tokens }) => added(sum, tokens), 0),
    input: costs.reduce((sum, { input }) => added(sum, input), 0),
    // What the caller's reply took; what was paid for without one stands with its attempt.
    usage: last?.usage ?? unanswered.at(-1)?.usage ?? {},
    estimated: costs.some(({ estimated }) => estimated),
  };
}

/**
 * What a try may be billed for that gave no reply: what it told; else its input, and of the output that was held for it all
 * where a reply came that says nothing, and as much as came of one that cannot be read (`bytes`).
 */
export async function unansweredCost(
  walk: Walk,
  admitted: Admitted,
  { verdict, hold }: Pick<Attempts, 'verdict' | 'hold'>,
  candidate: Candidate,
  { usage, whole, bytes = 0 }: Pick<Refusal, 'usage' | 'whole'> & { readonly bytes?: number } = {},
): Promise<Cost> {
  const view = sentView(admitted, verdict);
  const told = usage?.input !== undefined && usage.output !== undefined;
  const likely = async () => (whole ? likelyInput(walk, view, candidate) : likelyInputFor(view, candidate));
  const input = usage?.input ?? Math.min(await likely(), hold.inputTokens);
  const most = heldOutput(hold.output, view.choices);
  const output = usage?.output ?? (whole ? most : Math.min(most, likelyTokens(bytes)));
  return costed(view, admitted.at_ms, candidate, { ...usage, input, output }, told);
}

/** The try whose reply is to be paid for, and what was seen of it. */
interface LastTry {
  readonly walk: Walk;
  /** What was sent. */
  readonly view: RequestView;
  readonly at_ms: number;
  readonly hold: Hold;
  readonly candidate: Candidate | undefined;
  /** Undefined where no reply came. */
  readonly meter: ReplyMeter | undefined;
}

async function countedCost(last: LastTry, unanswered: readonly Cost[]): Promise<Cost> {
  const { walk, view, at_ms, hold, candidate, meter } = last;
  const told = meter?.usage;
  const usage: Usage = {
    ...told,
    // The bytes of a document are more than its tokens: it was read within what is held.
    input: told?.input ?? Math.min(await likelyInput(walk, view, candidate), hold.inputTokens),
    output: await likelyOutput(last),
  };
  return withUnanswered(unanswered, costed(view, at_ms, candidate, usage, false));
}

async function likelyInput(walk: Walk, view: RequestView, candidate: Candidate | undefined): Promise<number> {
  const counted = candidate === undefined ? undefined : await countedInput(walk.tokens, view, candidate);
  return counted ?? likelyInputFor(view, candidate);
}

async function likelyOutput({ walk, view, hold, candidate, meter }: LastTry): Promise<number> {
  if (meter === undefined) return 0;
  // A whole reply that neither says anything nor what it cost: all that was held for it may have been produced.
  if (meter.whole && meter.bytes === 0 && meter.usage?.output === undefined)
    return heldOutput(hold.output, view.choices);
  // It may have told its output so far (Anthropic's first event says 1) and nothing since: the larger counts.
  return Math.max(meter.usage?.output ?? 0, await observedOutput(walk, candidate, meter));
}

async function observedOutput(walk: Walk, candidate: Candidate | undefined, meter: ReplyMeter): Promise<number> {
  const texts = meter.said;
  const encoding = candidate?.tokenizer;
  const counted = texts === undefined || encoding === undefined ? undefined : await walk.tokens.count(encoding, texts);
  return counted ?? likelyTokens(meter.bytes);
}

function costed(
  view: RequestView,
  at_ms: number,
  candidate: Candidate | undefined,
  told: Usage,
  measured: boolean,
): Cost {
  const calls = candidate === undefined || told.toolCalls !== undefined ? undefined : likelyCalls(view, candidate);
  const usage = calls === undefined ? told : { ...told, toolCalls: calls };
  const estimated = !measured || calls !== undefined;
  const book = candidate?.price;
  if (book === undefined) return { nusd: 0, usage, ...wholeTokens(usage), estimated };
  const asked = pricedAs(view);
  let nusd = price(book, usage, at_ms, asked) ?? 0;
  // A tier was asked for and nobody told which one answered: the dearer of the two, as it was held.
  if (usage.serviceTier === undefined && asked.serviceTier !== undefined) {
    nusd = Math.max(nusd, price(book, { ...usage, serviceTier: 'standard' }, at_ms, asked) ?? 0);
  }
  return { nusd, usage, ...wholeTokens(usage), estimated };
}

/** Sums stay where they are exact: a bill beyond that must not make a settlement fail. */
export function added(one: number, other: number): number {
  return Math.min(one + other, Number.MAX_SAFE_INTEGER);
}

/** Tokens as the ledger counts them, and those of them that are input. A provider that tells fractions must not make a settlement fail. */
export function wholeTokens({ input = 0, output = 0 }: Usage): Pick<Cost, 'tokens' | 'input'> {
  const read = Math.min(Math.ceil(Math.max(0, input)), Number.MAX_SAFE_INTEGER);
  return { tokens: added(read, Math.ceil(Math.max(0, output))), input: read };
}

/** An exchange for which something is held. */
export interface Held extends Identified {
  readonly hold: Pick<Hold, 'kept'>;
}

/**
 * Hold to cost, once, whatever happened; undefined where nothing is held. Resolves when the settlement is written down where
 * a crash leaves it; nobody waits for the store to hear it. Never throws: what a lost ledger did not hear is sent when it is
 * back. A call that reached nobody gives its hold back.
 */
export function settle(
  { ledger }: Walk,
  { id, identity, hold }: Held,
  { nusd, tokens, input, estimated }: Cost,
  reached: boolean,
  labels: Labels,
): Promise<void> | undefined {
  if (!hold.kept) return undefined;
  const organization = identity.caller.organization.id;
  const amount = { nusd, tokens, input };
  const settled = reached
    ? ledger.post({ id, organization, amount, estimated, labels })
    : ledger.release(id, organization);
  return settled.catch(unheard);
}

/** A lost ledger. */
function unheard(thrown: unknown): void {
  if (!(thrown instanceof LedgerUnavailable)) throw thrown;
}

/** Whoever waits for room may find some now; `throttles` are what rules limited. */
export function freed({ waiting }: Walk, { identity, hold }: Held, throttles: CallLimits['rates']): void {
  if (!hold.kept) return;
  const { budgets, rates, caller } = identity;
  waiting.freed(caller.organization.id, { budgets, rates: throttles.length === 0 ? rates : [...rates, ...throttles] });
}
