import type { Readable } from 'node:stream';
import { Failure } from '../exchange/index.ts';
import { requestHeaders, type UpstreamCall, type UpstreamReply } from '../providers/index.ts';
import { clientGone } from './accept.ts';
import { ReplyBody, RequestBody } from './pass-body.ts';
import type { PassEnd, PassReply } from './pass-end.ts';
import { ownMs, type PassAdmitted, type PassCall, type PassProgress } from './pass-record.ts';
import { usageTap } from './pass-usage.ts';
import { costUsd, failureHeaders, type Headers, letThroughHeaders } from './reply-headers.ts';
import type { Walk } from './walk.ts';

/** A call that was identified, judged, reserved for and begun in the trail: it may be sent, once. */
export class Pass {
  readonly #walk: Walk;
  readonly #admitted: PassAdmitted;
  readonly #progress: PassProgress;
  readonly #end: PassEnd;
  readonly #source: Readable | undefined;

  /** `source` is the client's body; undefined where there is none. */
  constructor(walk: Walk, admitted: PassAdmitted, progress: PassProgress, end: PassEnd, source: Readable | undefined) {
    this.#walk = walk;
    this.#admitted = admitted;
    this.#progress = progress;
    this.#end = end;
    this.#source = source;
  }

  /** Resolves when the call is settled and recorded. */
  get over(): Promise<void> {
    return this.#end.over;
  }

  /** Ends a call that could not be sent. */
  refuse(thrown: unknown): Promise<PassReply> {
    return this.#end.refusal(thrown);
  }

  /**
   * Sends the client's body, byte for byte, to where the call was let in for, with the provider's credentials and none
   * of the client's. `length` is the body's where the client told it. Never rejects: a failure is a reply as well.
   */
  async send(length: number | undefined): Promise<PassReply> {
    const source = this.#source;
    const { provider, target, method, abort, pinned, arrival } = this.#admitted;
    const { limits } = pinned;
    const { call } = this.#progress;
    // Called off while the ledger was asked: nothing is sent, so nothing is paid for.
    if (abort.reason !== undefined) return this.#end.refusal(abort.reason);
    if (source !== undefined) call.request = new RequestBody(source, limits.body_bytes_max, abort);
    call.sentAt = this.#walk.monotonic();
    try {
      const reply = await provider.send({
        path: provider.ownPath(target.path) + target.query,
        method: method as NonNullable<UpstreamCall['method']>,
        headers: requestHeaders(arrival.headers, true),
        ...(call.request === undefined ? {} : { body: call.request }),
        ...(call.request === undefined || length === undefined ? {} : { body_bytes: length }),
        abort,
        connect_timeout_ms: limits.connect_timeout_ms,
        first_byte_timeout_ms: limits.timeout_ms,
        total_timeout_ms: limits.timeout_ms,
      });
      return this.#through(reply, call);
    } catch (thrown) {
      if (thrown instanceof Failure && thrown !== clientGone) {
        call.failure = thrown;
        const redirected = thrown.detail.extra?.upstream_status;
        if (typeof redirected === 'number') call.status = redirected;
      }
      return this.#end.refusal(thrown);
    }
  }

  #through(reply: UpstreamReply, call: PassCall): PassReply {
    const { provider, abort, method } = this.#admitted;
    const { status } = reply;
    call.headAt = this.#walk.monotonic();
    call.status = status;
    if (status > 599) {
      const none = new Failure(
        'upstream_error',
        `Provider ${provider.id} answered with ${status}, which is no status.`,
        {
          status: 502,
          retryable: false,
        },
      );
      reply.abort(none);
      throw none;
    }
    const failure = status < 400 ? undefined : provider.format.upstreamFailure(status, reply.headers, Buffer.alloc(0));
    if (failure !== undefined) {
      call.failure = failure;
      // What it says of our credentials is not for the caller.
      if (failure.code !== 'upstream_error') {
        reply.abort(failure);
        throw failure;
      }
    }
    const type = reply.headers['content-type'];
    call.streamed = type?.includes('text/event-stream') === true;
    // What other methods tell of usage was spent before: a stored reply that is read again costs nothing.
    const tap = method === 'POST' && failure === undefined ? usageTap(provider.format, type) : undefined;
    if (tap !== undefined) call.tap = tap;
    const body = new ReplyBody(reply, abort, {
      see: (chunk) => {
        call.firstAt ??= this.#walk.monotonic();
        call.bytesOut += chunk.length;
        tap?.see(chunk);
      },
      end: () => {
        tap?.end();
        return this.#end.end(failure === undefined ? 'complete' : 'failed', failure, status);
      },
      broken: (reason) => {
        const left = reason === clientGone;
        if (!left) call.failure = reason;
        void this.#end.end(left ? 'aborted' : 'cut', left ? undefined : reason, status);
      },
    });
    return { status, headers: this.#headers(reply, failure), body, trailers: () => this.#trailers() };
  }

  #headers(reply: UpstreamReply, failure: Failure | undefined): Headers {
    const { provider, requestId, verdict, hold } = this.#admitted;
    const { call, accepted } = this.#progress;
    const headers = letThroughHeaders(reply.clientHeaders(), {
      requestId,
      provider: provider.id,
      decision: verdict.request,
      warnings: verdict.response?.warnings ?? [],
      hold,
      attempts: 1,
      overhead_ms: ownMs(this.#walk, accepted, call),
    }).toObject();
    if (failure !== undefined) {
      // When to come back, if at all, in the names a client looks for.
      const { 'content-type': _, ...told } = failureHeaders(failure, requestId);
      Object.assign(headers, told);
    }
    if (call.streamed) {
      headers['cache-control'] = 'no-cache, no-transform';
      headers['x-accel-buffering'] = 'no';
    }
    return headers;
  }

  #trailers(): Readonly<Record<string, string>> {
    const { cost } = this.#progress;
    return cost === undefined ? {} : { 'x-llm-cost-usd': costUsd(cost) };
  }
}
