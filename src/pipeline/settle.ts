import type { RequestView, Usage } from '../exchange/index.ts';
import { type Candidate, type ModelPrice, price } from '../providers/index.ts';
import { type Labels, LedgerUnavailable } from '../stores/index.ts';
import type { Admitted, Hold } from './admit.ts';
import type { Answered } from './attempt.ts';
import type { Attempts, Refusal } from './attempts.ts';
import type { CallLimits } from './call-limits.ts';
import { countedInput } from './count-input.ts';
import { dearestUsage, heldOutput, likelyCalls, likelyInputFor, likelyTokens, pricedAs } from './estimate.ts';
import type { Identified } from './identify.ts';
import { repliesOf } from './labels.ts';
import { preambleTokensMax } from './preamble.ts';
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

/** What a reply costs by what it told so far, in dollars, for response facts: as it will be settled. Undefined where the price is unknown. */
export function costOf(
  admitted: Admitted,
  { candidate, verdict }: Answered,
  { usage }: ReplyMeter,
): number | undefined {
  const { price: book } = candidate;
  if (book === undefined || usage === undefined) return undefined;
  const view = sentView(admitted, verdict);
  const nusd = priced(view, admitted.at_ms, book, withCalls(view, candidate, usage));
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
  const { unanswered, candidate } = attempts;
  // A try that was under way when the exchange ended is not among those that failed.
  const underWay = attempts.sent && meter === undefined && unanswered.length === 0;
  if (meter === undefined && !underWay) return withUnanswered(unanswered, undefined);
  const asked = askedOf(walk, admitted, attempts, candidate);
  const told = meter?.usage;
  if (meter?.whole === true && !meter.outdated && told?.input !== undefined && told.output !== undefined) {
    return withUnanswered(unanswered, costed(asked, told, true));
  }
  return countedCost(asked, meter, unanswered);
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
  attempts: Pick<Attempts, 'verdict' | 'hold'>,
  candidate: Candidate,
  { usage, whole = false, bytes = 0 }: Pick<Refusal, 'usage' | 'whole'> & { readonly bytes?: number } = {},
): Promise<Cost> {
  const asked = askedOf(walk, admitted, attempts, candidate);
  if (usage?.input !== undefined && usage.output !== undefined) return costed(asked, usage, true);
  const input = usage?.input ?? (await likelyInput(asked, whole));
  const most = heldOutput(asked.hold.output, asked.view.choices);
  const output = usage?.output ?? (whole ? most : Math.min(most, likelyTokens(bytes)));
  return costed(asked, { ...usage, input, output }, false, usage);
}

/** What was sent to whom, and what was held for it. */
interface Asked {
  readonly walk: Walk;
  readonly admitted: Admitted;
  readonly view: RequestView;
  /** Likely tokens of the text that rules put before it. */
  readonly preamble: number;
  /** The exchange's own moment: hold and cost share it. */
  readonly at_ms: number;
  readonly hold: Hold;
  readonly candidate: Candidate | undefined;
}

function askedOf(
  walk: Walk,
  admitted: Admitted,
  { verdict, hold }: Pick<Attempts, 'verdict' | 'hold'>,
  candidate: Candidate | undefined,
): Asked {
  const preamble = likelyTokens(preambleTokensMax(verdict.decision));
  return { walk, admitted, view: sentView(admitted, verdict), preamble, at_ms: admitted.at_ms, hold, candidate };
}

/** `meter` is undefined where no reply came. */
async function countedCost(asked: Asked, meter: ReplyMeter | undefined, unanswered: readonly Cost[]): Promise<Cost> {
  const told = meter?.usage;
  const { input } = told ?? {};
  const isAll = input !== undefined && !(meter !== undefined && readsOn(meter));
  const usage: Usage = {
    ...told,
    input: isAll ? input : Math.max(input ?? 0, await likelyInput(asked, true)),
    output: await likelyOutput(asked, meter),
  };
  return withUnanswered(unanswered, costed(asked, usage, false, told));
}

/** Whether the provider ran a tool and did not come to the end, where it tells what it read of its results. */
function readsOn({ usage, finishReason }: ReplyMeter): boolean {
  return finishReason === undefined && Object.values(usage?.toolCalls ?? {}).some((calls) => calls > 0);
}

/** `exact`: by the model's own tokeniser, where it has one. */
async function likelyInput({ walk, view, preamble, hold, candidate }: Asked, exact: boolean): Promise<number> {
  // What is read elsewhere nobody saw: it may be all that is held for.
  if (view.readsElsewhere) return hold.inputTokens;
  const counted = exact && candidate !== undefined ? await countedInput(walk.tokens, view, candidate) : undefined;
  // The bytes of a document are more than its tokens: it was read within what is held.
  return Math.min((counted ?? likelyInputFor(view, candidate)) + preamble, hold.inputTokens);
}

async function likelyOutput(asked: Asked, meter: ReplyMeter | undefined): Promise<number> {
  const { walk, view, hold, candidate } = asked;
  if (meter === undefined) return 0;
  // A whole reply that neither says anything nor what it cost: all that was held for it may have been produced.
  const told = meter.usage?.output;
  if (meter.whole && meter.bytes === 0 && told === undefined) return heldOutput(hold.output, view.choices);
  const observed = Math.max(await observedOutput(walk, candidate, meter), unseenOutput(asked));
  // It may have told its output so far (Anthropic's first event says 1) and nothing since: the larger counts.
  if (told !== undefined) return Math.max(told, observed);
  // What was predicted and did not come is billed beside what did, and nobody saw how much that was.
  return observed + likelyTokens(hold.output.predicted) * view.choices;
}

/**
 * What a model that does not show all it writes comes to, of which a reply that broke off says nothing: as much as it is held
 * for at first where what it writes is seen, since all that it may come to is many times what it does.
 */
function unseenOutput({ walk, admitted, view, hold, candidate }: Asked): number {
  if (candidate === undefined || (candidate.reasoning !== true && view.unseenOutput !== true)) return 0;
  const { identity, pinned } = admitted;
  const high = walk.outputs.high(repliesOf(identity.caller, candidate.provider.id, candidate.model));
  return Math.min(high ?? pinned.limits.stream_hold_tokens, hold.output.held) * view.choices;
}

async function observedOutput(walk: Walk, candidate: Candidate | undefined, meter: ReplyMeter): Promise<number> {
  const texts = meter.said;
  const encoding = candidate?.tokenizer;
  const counted = texts === undefined || encoding === undefined ? undefined : await walk.tokens.count(encoding, texts);
  return counted ?? likelyTokens(meter.bytes);
}

/** `told` is what a usage that was not measured has of the provider's own numbers. */
function costed({ view, at_ms, candidate }: Asked, counted: Usage, measured: boolean, told: Usage = {}): Cost {
  const usage = candidate === undefined ? counted : withCalls(view, candidate, counted);
  const estimated = !measured || usage !== counted;
  if (candidate?.price === undefined) return { nusd: 0, usage, ...wholeTokens(usage), estimated };
  const dearest = measured ? usage : asHeld(view, at_ms, candidate, usage, told);
  return { nusd: priced(view, at_ms, candidate.price, dearest) ?? 0, usage, ...wholeTokens(usage), estimated };
}

/** With calls of hosted tools, where no usage tells of them. */
function withCalls(view: RequestView, candidate: Candidate, usage: Usage): Usage {
  const calls = usage.toolCalls === undefined ? likelyCalls(view, candidate) : undefined;
  return calls === undefined ? usage : { ...usage, toolCalls: calls };
}

function priced(view: RequestView, at_ms: number, book: ModelPrice, usage: Usage): number | undefined {
  const asked = pricedAs(view);
  const nusd = price(book, usage, at_ms, asked);
  // A tier was asked for and nobody told which one answered: the dearer of the two, as it was held.
  if (nusd === undefined || usage.serviceTier !== undefined || asked.serviceTier === undefined) return nusd;
  return Math.max(nusd, price(book, { ...usage, serviceTier: 'standard' }, at_ms, asked) ?? 0);
}

const inputKinds = ['cacheRead', 'cacheWrite', 'cacheWrite1h', 'audioInput', 'imageInput'] as const;
const outputKinds = ['reasoning', 'audioOutput'] as const;

/** Tokens that nobody told are the dearest kind they may be, as it was held. */
function asHeld(view: RequestView, at_ms: number, candidate: Candidate, usage: Usage, told: Usage): Usage {
  const { input = 0, output = 0 } = usage;
  const dearest = dearestUsage(view, at_ms, candidate, input, output);
  const priced: { -readonly [K in keyof Usage]: Usage[K] } = { ...usage };
  for (const kind of [...(told.input === input ? [] : inputKinds), ...(told.output === output ? [] : outputKinds)]) {
    const tokens = priced[kind] ?? dearest[kind];
    if (tokens !== undefined) priced[kind] = tokens;
  }
  return priced;
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
