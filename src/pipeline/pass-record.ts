import type { Failure } from '../exchange/index.ts';
import type { AuditRecord, Ending, Intent } from '../observe/index.ts';
import { type Decision, decide } from '../policy/index.ts';
import { type Candidate, type Provider, price, unknownFee } from '../providers/index.ts';
import type { Accepted } from './accept.ts';
import type { Hold } from './admit.ts';
import type { Identified } from './identify.ts';
import type { RequestBody } from './pass-body.ts';
import type { PassVerdict } from './pass-judge.ts';
import type { PassTarget } from './pass-route.ts';
import type { UsageTap } from './pass-usage.ts';
import { callerOf, factsRead, summary, tagged, withApproval } from './record.ts';
import { type Cost, noCost, wholeTokens } from './settle.ts';
import { mayBeBilled } from './try.ts';
import type { Walk } from './walk.ts';

/** A call that may go through: its hold is there. */
export interface PassAdmitted extends Identified {
  readonly method: string;
  readonly target: PassTarget;
  readonly provider: Provider;
  readonly verdict: PassVerdict;
  readonly hold: Pick<Hold, 'amount' | 'budgets' | 'rates' | 'kept'>;
}

/** What is known of the call itself, so far. Times are monotonic ms. */
export interface PassCall {
  sentAt?: number;
  headAt?: number;
  firstAt?: number;
  /** The provider's; 0 where none came. */
  status: number;
  streamed: boolean;
  failure?: Failure;
  request?: RequestBody;
  bytesOut: number;
  tap?: UsageTap;
}

/** How far a call came: what is missing did not happen. */
export interface PassProgress {
  readonly accepted: Accepted;
  readonly method: string;
  readonly call: PassCall;
  identified?: Identified;
  target?: PassTarget;
  provider?: Provider;
  verdict?: PassVerdict;
  admitted?: PassAdmitted;
  cost?: Cost;
  candidate?: Candidate;
  denied?: Decision;
  /** The approval it was let in with, or sent away to ask for. */
  approval?: string;
  settled?: Decision;
}

/** What is known before the provider is asked: should the process end, a record can be made from it. */
export function passIntent(admitted: PassAdmitted): Intent {
  const { pinned, provider, hold } = admitted;
  return {
    exchange: admitted.id,
    request_id: admitted.requestId,
    time_ms: admitted.at_ms,
    route: admitted.arrival.route,
    caller: callerOf(admitted),
    provider: provider.id,
    region: provider.region,
    streamed: false,
    held_nusd: hold.amount.nusd,
    program: pinned.program.id,
    prices: pinned.catalog.priceBookVersion,
    uninspected: true,
    passed: { method: admitted.method, path: admitted.target.path },
  };
}

/**
 * What the call cost. Usage the provider told in full, of a model whose price is known, counts; else what was held
 * counts, and more where what was told so far costs more. A call that a provider cannot have billed costs nothing.
 */
export function passCost({ admitted, call }: PassProgress): { cost: Cost; candidate: Candidate | undefined } {
  if (admitted === undefined || !mayCost(call)) {
    return { cost: noCost, candidate: undefined };
  }
  const { usage, model, complete } = call.tap?.told ?? { usage: undefined, model: undefined, complete: false };
  const candidate = model === undefined ? undefined : admitted.pinned.catalog.candidateFor(admitted.provider.id, model);
  const book = candidate?.price;
  const priced = book === undefined || usage === undefined ? undefined : price(book, usage, admitted.at_ms);
  // What a tool cost that nobody told the fee of stands in no price.
  const fee = book === undefined ? undefined : unknownFee(book, usage?.toolCalls ?? {}, admitted.at_ms);
  const measured = complete && priced !== undefined && fee === undefined;
  return {
    candidate,
    cost: {
      nusd: measured ? priced : Math.max(admitted.hold.amount.nusd, priced ?? 0),
      usage: usage ?? {},
      ...wholeTokens(usage ?? {}),
      estimated: !measured,
    },
  };
}

/** Whether the call reached a provider that may bill it. */
export function mayCost({ sentAt, status, failure }: PassCall): boolean {
  if (sentAt === undefined) return false;
  // What a provider refuses or sends elsewhere it does not bill.
  if (failure === undefined) return status < 300;
  return failure.fault === 'provider' && mayBeBilled(failure, status);
}

/** The rules on `settle`, with what is known of a reply that nobody read. They only tell. */
export function passSettled(walk: Walk, admitted: PassAdmitted, cost: Cost): Decision | undefined {
  const { program } = admitted.pinned;
  if (!program.has('settle')) return undefined;
  const { facts, unread } = admitted.verdict;
  const latency_ms = walk.monotonic() - admitted.started;
  const response = { text: unread, finishReason: unread, tokens: cost.usage.output ?? unread, latency_ms };
  return decide(program, 'settle', { ...facts, response: { ...response, cost: cost.nusd / 1e9 } });
}

/** The audit entry of a call that went through unread, however far it came. */
export function passRecord(
  walk: Walk,
  progress: PassProgress,
  ending: Ending,
  failure: Failure | undefined,
): AuditRecord {
  const { accepted, identified, admitted, provider, target, call, cost, verdict } = progress;
  const request = progress.denied ?? verdict?.request;
  const { bytesOut } = call;
  return {
    exchange: accepted.id,
    request_id: accepted.requestId,
    time_ms: accepted.at_ms,
    route: accepted.arrival.route,
    caller:
      identified === undefined ? { ip: accepted.arrival.ip } : tagged(callerOf(identified), request, verdict?.response),
    model_used: progress.candidate?.model ?? call.tap?.told.model,
    provider: provider?.id,
    region: provider?.region,
    streamed: call.streamed,
    held_nusd: admitted?.hold.amount.nusd ?? 0,
    program: identified?.pinned.program.id,
    prices: identified?.pinned.catalog.priceBookVersion,
    attempts: attemptsOf(walk, progress, failure),
    scanned_in_bytes: 0,
    scanned_out_bytes: 0,
    rails: [],
    facts: verdict === undefined ? {} : factsRead(verdict.facts, verdict.wanted),
    decision: {
      request: request && withApproval(summary(request), progress.approval),
      response: verdict?.response && summary(verdict.response),
      settle: progress.settled && summary(progress.settled),
    },
    usage: cost?.usage,
    cost_nusd: cost?.nusd ?? 0,
    cost_estimated: cost?.estimated ?? false,
    ending,
    failure: failure === undefined ? undefined : { code: failure.code, status: failure.status },
    timings: {
      total: walk.monotonic() - accepted.started,
      upstream: upstreamMs(walk, call),
      first_token: call.firstAt === undefined ? undefined : call.firstAt - accepted.started,
      overhead: ownMs(walk, accepted, call),
    },
    uninspected: true,
    passed:
      target === undefined
        ? undefined
        : { method: progress.method, path: target.path, bytes_in: call.request?.bytes ?? 0, bytes_out: bytesOut },
  };
}

function attemptsOf(walk: Walk, progress: PassProgress, failure: Failure | undefined): AuditRecord['attempts'] {
  const { call, provider, candidate } = progress;
  if (call.sentAt === undefined || provider === undefined) return [];
  const model = candidate?.model ?? call.tap?.told.model ?? '';
  const status = call.status === 0 ? undefined : call.status;
  return [{ provider: provider.id, model, status, failure: failure?.code, ms: upstreamMs(walk, call) ?? 0 }];
}

/** Milliseconds until the provider began to answer. */
export function upstreamMs(walk: Walk, { sentAt, headAt }: PassCall): number | undefined {
  return sentAt === undefined ? undefined : (headAt ?? walk.monotonic()) - sentAt;
}

/** What the gateway itself took before it sent the call; what comes after is the provider's time. */
export function ownMs(walk: Walk, { started }: Accepted, { sentAt }: PassCall): number {
  return (sentAt ?? walk.monotonic()) - started;
}
