import { Readable } from 'node:stream';
import type { Failure } from '../exchange/index.ts';
import type { Ending } from '../observe/index.ts';
import { clientGone } from './accept.ts';
import { ApprovalRequired } from './approve.ts';
import { Denial } from './decide.ts';
import { askAttention, countRules, endingOf, failureOf } from './ending.ts';
import { labelsOf } from './labels.ts';
import { Lease } from './lease.ts';
import {
  mayCost,
  ownMs,
  type PassAdmitted,
  type PassProgress,
  passCost,
  passRecord,
  passSettled,
  upstreamMs,
} from './pass-record.ts';
import { passName } from './pass-route.ts';
import { failureHeaders, type Headers } from './reply-headers.ts';
import { freed, settle } from './settle.ts';
import { throttleRates } from './throttle-rates.ts';
import type { Walk } from './walk.ts';

/** A reply to be written. Its body ends once the exchange is settled and recorded. */
export interface PassReply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readable;
  /** Known once the body has ended. */
  trailers(): Readonly<Record<string, string>>;
}

/** The end of one call: whatever happens and whoever comes first, it is settled once and recorded once. */
export class PassEnd {
  /** Resolves when the call is settled and recorded. Never rejects. */
  readonly over: Promise<void>;
  readonly #walk: Walk;
  readonly #progress: PassProgress;
  readonly #leave: () => void;
  #resolve: () => void = () => {};
  #lease: Lease<PassAdmitted> | undefined;
  #ended = false;

  constructor(walk: Walk, progress: PassProgress) {
    this.#walk = walk;
    this.#progress = progress;
    this.#leave = walk.metrics.enter();
    this.over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Keeps what is held until the end. */
  keep(): void {
    const { admitted } = this.#progress;
    if (admitted !== undefined && !this.#ended) this.#lease = new Lease(this.#walk, admitted);
  }

  /** `status` is what the client is told. Never rejects. */
  end(ending: Ending, failure: Failure | undefined, status: number): Promise<void> {
    if (!this.#ended) {
      this.#ended = true;
      void this.#conclude(ending, failure, status).then(this.#resolve);
    }
    return this.over;
  }

  /** What was thrown before anything of a reply had left, as the reply that tells it. */
  async refusal(thrown: unknown): Promise<PassReply> {
    const { accepted } = this.#progress;
    const failure = failureOf(thrown);
    if (failure === clientGone) {
      await this.end('aborted', undefined, 499);
      return ownReply(499, {}, Buffer.alloc(0));
    }
    if (failure instanceof Denial) this.#progress.denied = failure.decision;
    if (failure instanceof ApprovalRequired) this.#progress.approval = failure.approval;
    if (failure.code === 'internal_error')
      this.#walk.log.error('an exchange failed inside', { exchange: accepted.id, error: failure.detail.cause });
    await this.end(endingOf(failure), failure, failure.status);
    const body = accepted.arrival.format.failureBody(failure, accepted.requestId);
    return ownReply(failure.status, failureHeaders(failure, accepted.requestId, undefined), body);
  }

  async #conclude(ending: Ending, failure: Failure | undefined, status: number): Promise<void> {
    const [walk, progress] = [this.#walk, this.#progress];
    const { admitted, accepted, call } = progress;
    this.#lease?.stop();
    try {
      const { cost, candidate } = passCost(progress);
      progress.cost = cost;
      if (candidate !== undefined) progress.candidate = candidate;
      const settled = admitted === undefined ? undefined : passSettled(walk, admitted, cost);
      if (settled !== undefined) progress.settled = settled;
      const recorded = walk.trail.end(passRecord(walk, progress, ending, failure));
      if (admitted !== undefined) {
        const model = candidate?.model ?? call.tap?.told.model;
        const labels = labelsOf(admitted.identity.caller, admitted.provider.id, model);
        await settle(walk, admitted, cost, mayCost(call), labels);
        freed(
          walk,
          admitted,
          throttleRates(admitted, admitted.verdict.request, { model: passName(admitted.provider.id) }),
        );
      }
      await recorded;
    } catch (thrown) {
      walk.log.error('an exchange could not be settled or recorded', { exchange: accepted.id, error: thrown });
    }
    this.#measure(status);
    const { verdict, denied, settled } = progress;
    for (const decision of [denied ?? verdict?.request, verdict?.response, settled]) {
      countRules(walk, decision);
      askAttention(walk, accepted, decision);
    }
    this.#leave();
  }

  #measure(status: number): void {
    const [walk, { accepted, identified, provider, candidate, call, cost, verdict, denied }] = [
      this.#walk,
      this.#progress,
    ];
    const upstream = upstreamMs(walk, call);
    walk.metrics.exchange({
      team: identified?.identity.caller.team.id,
      model: candidate?.model,
      provider: provider?.id,
      decision: (denied ?? verdict?.request)?.decision ?? 'none',
      status,
      overhead_s: ownMs(walk, accepted, call) / 1000,
      upstream_s: upstream === undefined ? undefined : upstream / 1000,
      first_token_s: call.firstAt === undefined ? undefined : (call.firstAt - accepted.started) / 1000,
      usage: cost?.usage,
      cost_nusd: cost?.nusd ?? 0,
    });
  }
}

/** A reply that is ours from its first byte to its last. */
export function ownReply(status: number, headers: Headers, body: Buffer): PassReply {
  const length = { 'content-length': String(body.length) };
  return { status, headers: { ...headers, ...length }, body: Readable.from([body]), trailers: () => ({}) };
}
