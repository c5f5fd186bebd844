import { type EncodedRequest, Failure } from '../exchange/index.ts';
import { type Candidate, requestHeaders, type UpstreamReply } from '../providers/index.ts';
import type { Admitted } from './admit.ts';
import type { Answered } from './attempt.ts';
import type { Attempts, Refusal } from './attempts.ts';
import { encode, limitWarning } from './encode.ts';
import { errorBody } from './error-body.ts';
import type { Lease } from './lease.ts';
import { passedQuery } from './own-query.ts';
import { overhead } from './reply-headers.ts';
import { unansweredCost } from './settle.ts';
import { ReplySource } from './upstream.ts';
import type { Walk } from './walk.ts';

/** One try at one candidate: sent, and answered or failed. */
export class Try {
  readonly #walk: Walk;
  readonly #admitted: Admitted;
  readonly #attempts: Attempts;
  readonly #candidate: Candidate;
  readonly #lease: Lease;
  readonly #started: number;
  /** What an earlier try may have cost is not undone by this one's refusal. */
  readonly #sentBefore: boolean;
  #encoded: EncodedRequest | undefined;
  #reply: UpstreamReply | undefined;
  #source: ReplySource | undefined;

  constructor(walk: Walk, admitted: Admitted, attempts: Attempts, candidate: Candidate, lease: Lease) {
    this.#walk = walk;
    this.#admitted = admitted;
    this.#attempts = attempts;
    this.#candidate = candidate;
    this.#lease = lease;
    this.#started = walk.monotonic();
    this.#sentBefore = attempts.sent;
  }

  /** Throws or rejects with what went wrong before a reply began. */
  send(): Promise<UpstreamReply> {
    const { arrival, view, abort, pinned } = this.#admitted;
    const { provider } = this.#candidate;
    const encoded = encode(this.#admitted, this.#attempts, this.#candidate);
    this.#encoded = encoded;
    this.#attempts.sent = true;
    const { limits } = pinned;
    // It was made just now.
    const left_ms = Math.max(1, Math.ceil(leftAt(this.#started, this.#admitted)));
    return provider.send({
      path: provider.requestPath(encoded, this.#candidate) + passedQuery(arrival, provider.format).text,
      headers: requestHeaders(arrival.headers, provider.format.name === arrival.format.name, encoded.headers),
      body: encoded.body,
      abort,
      connect_timeout_ms: limits.connect_timeout_ms,
      first_byte_timeout_ms: view.stream ? limits.first_token_timeout_ms : left_ms,
      total_timeout_ms: left_ms,
    });
  }

  /**
   * Looks at the first frame before anything is committed: an HTTP 200 may begin with an error. A promise only where that
   * frame is not there yet. Throws or rejects with what the provider says is wrong.
   */
  open(reply: UpstreamReply): Answered | Promise<Answered> {
    this.#reply = reply;
    if (reply.status < 200 || reply.status > 299) return this.#refused(reply);
    const { view, pinned } = this.#admitted;
    const { format, quirks } = this.#candidate.provider;
    const streamed = view.stream && (reply.headers['content-type'] ?? '').includes('text/event-stream');
    const usageInjected = streamed && !view.usageAsked && quirks.streamUsage === 'ask';
    const source = new ReplySource(reply, format, streamed, usageInjected, pinned.limits.reply_bytes_max);
    this.#source = source;
    const first = source.first();
    return first === undefined ? this.#begun(reply, source) : this.#awaited(reply, source, first);
  }

  async #refused(reply: UpstreamReply): Promise<never> {
    const { abort } = this.#admitted;
    const body = await errorBody(reply, abort);
    if (abort.reason !== undefined) throw abort.reason;
    const failure = this.#candidate.provider.format.upstreamFailure(reply.status, reply.headers, body);
    this.#attempts.refusal = { failure, headers: reply.headers };
    throw failure;
  }

  async #awaited(reply: UpstreamReply, source: ReplySource, first: Promise<void>): Promise<Answered> {
    const { abort } = this.#admitted;
    // A call that is called off hears no more of its provider: it must not wait.
    const calledOff = (reason: Failure): void => source.abort(reason);
    abort.attach(calledOff);
    await first;
    abort.detach(calledOff);
    return this.#begun(reply, source);
  }

  #begun(reply: UpstreamReply, source: ReplySource): Answered {
    const { abort, pinned, started } = this.#admitted;
    const [walk, attempts, candidate] = [this.#walk, this.#attempts, this.#candidate];
    if (abort.reason !== undefined) throw abort.reason;
    const failure = source.openingFailure();
    if (failure !== undefined) {
      const { keptUsage: usage, keptReply: whole } = source;
      source.abort(failure);
      attempts.refusal = { failure, headers: reply.headers, usage, whole };
      throw failure;
    }
    const { status } = reply;
    const firstAt = walk.monotonic();
    pinned.health.report(candidate, { kind: 'answered', first_byte_ms: firstAt - this.#started });
    attempts.note(candidate, status, undefined, firstAt - this.#started);
    attempts.firstToken_ms = firstAt - started;
    attempts.overhead_ms = overhead(firstAt, this.#admitted, attempts);
    const { verdict, hold } = attempts;
    const headers = reply.clientHeaders();
    return { candidate, verdict, hold, lease: this.#lease, source, headers, status, warnings: this.#warnings() };
  }

  #warnings(): readonly string[] {
    const { warnings: left } = passedQuery(this.#admitted.arrival, this.#candidate.provider.format);
    const limited = limitWarning(this.#attempts.hold);
    const warnings = this.#encoded?.warnings ?? [];
    return limited === undefined && left.length === 0 ? warnings : warnings.concat(limited ?? [], left);
  }

  /** The failure of this try, noted and counted. Rejects with what is none. */
  async failed(thrown: unknown): Promise<Failure> {
    if (!(thrown instanceof Failure)) throw thrown;
    const [walk, admitted, attempts, candidate] = [this.#walk, this.#admitted, this.#attempts, this.#candidate];
    const status = this.#reply?.status ?? 0;
    if (admitted.abort.reason === undefined)
      admitted.pinned.health.report(candidate, { kind: 'failed', failure: thrown });
    const told = attempts.refusal?.failure === thrown ? attempts.refusal : undefined;
    const billed = this.#billed(thrown, status, told);
    attempts.sent = this.#sentBefore || billed;
    const whole = told?.whole === true || thrown.detail.unread === true;
    const cost = billed
      ? await unansweredCost(walk, admitted, attempts, candidate, { ...told, whole, bytes: this.#seen(thrown) })
      : undefined;
    if (cost !== undefined) {
      attempts.unanswered = [...attempts.unanswered, cost];
      attempts.silent = candidate;
      this.#lease.owe(cost);
    }
    attempts.note(candidate, status, thrown.code, walk.monotonic() - this.#started, cost?.nusd);
    return thrown;
  }

  /** Bytes of a plain reply of which nothing can be given out: it broke off, or nobody can read it. A provider's own words on what is wrong are none. */
  #seen({ detail }: Failure): number {
    const source = this.#source;
    if (source === undefined || source.streamed) return 0;
    return detail.upstreamBody === undefined && detail.upstreamCode === undefined ? source.bytes : 0;
  }

  /** What it told of its cost is paid, whatever else it said. */
  #billed(failure: Failure, status: number, told: Refusal | undefined): boolean {
    return this.#encoded !== undefined && (told?.usage !== undefined || mayBeBilled(failure, status));
  }
}

/** A refusal is not billed, nor what was never sent or sent elsewhere; a call that fell silent after it was sent may be. */
export function mayBeBilled(failure: Failure, status: number): boolean {
  if (failure.detail.worked === true) return true;
  if (status >= 300 || failure.detail.extra?.upstream_status !== undefined || failure.code === 'upstream_unreachable')
    return false;
  // The provider's own error in the first frame is a refusal whatever its status line said.
  if (failure.code === 'upstream_auth' || failure.detail.upstreamCode !== undefined) return false;
  return failure.detail.extra?.phase !== 'connect';
}

/** Milliseconds until the whole exchange must be over, all its attempts together. */
export function timeLeft(walk: Walk, admitted: Admitted): number {
  return leftAt(walk.monotonic(), admitted);
}

function leftAt(now: number, { pinned, started }: Admitted): number {
  return pinned.limits.timeout_ms - (now - started);
}
