import { Pool } from 'undici';
import { Failure } from '../exchange/index.ts';
import { Deadlines } from './deadlines.ts';
import { LiveCall } from './live-call.ts';
import type { Origin } from './origin.ts';
import type { UpstreamCall, UpstreamReply } from './upstream.ts';

export interface TransportSettings {
  /** Connections to the origin at once. */
  readonly max: number;
  /** Calls that may wait for a free connection; beyond them a call is refused at once. */
  readonly waiting_max: number;
  /** How long an unused connection is kept; a provider's own `keep-alive` hint wins. */
  readonly keep_alive_ms: number;
}

/** Connecting is given up after this whatever a call allows, so that attempts nobody waits for any more end too. */
const connect_ms_max = 60_000;

/** Connections to one origin. Nothing is followed, retried or cached here: one call is one request on the wire. */
export class Transport implements Origin {
  readonly provider: string;
  readonly deadlines = new Deadlines();
  readonly #pool: Pool;
  readonly #callsMax: number;
  #calls = 0;

  constructor(provider: string, origin: string, settings: TransportSettings) {
    this.provider = provider;
    this.#callsMax = settings.max + settings.waiting_max;
    this.#pool = new Pool(spelledOut(origin), {
      connections: settings.max,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: settings.keep_alive_ms,
      connectTimeout: connect_ms_max,
      // A call's own times are kept by the call.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: 64 * 1024,
    });
  }

  /** `headers` as a flat list of names and values. Resolves at the response head; rejections as `Provider.send` tells. */
  send(call: UpstreamCall, path: string, headers: string[]): Promise<UpstreamReply> {
    return new Promise((resolve, reject) => {
      if (this.#calls >= this.#callsMax) {
        reject(
          new Failure('upstream_unreachable', `Provider ${this.provider} has too many calls waiting.`, {
            extra: { reason: 'queue_full' },
          }),
        );
        return;
      }
      const live = new LiveCall(this, call, resolve, reject);
      if (!live.start()) return;
      this.#calls += 1;
      this.#pool.dispatch(
        {
          path,
          method: call.method ?? 'POST',
          // Nothing is ever sent behind a call on its connection, so there is nothing to hold until its head is there.
          blocking: false,
          headers,
          body: call.body ?? null,
          bodyTimeout: call.idle_timeout_ms ?? 0,
        },
        live,
      );
    });
  }

  gone(): void {
    this.#calls -= 1;
  }

  /** Takes no new calls; resolves when those under way are over. */
  async close(): Promise<void> {
    await this.#pool.close();
  }
}

/** An origin whose parts are put together once: undici asks for them with each call, and a URL makes them anew each time. */
function spelledOut(origin: string): URL {
  const url = new URL(origin);
  for (const part of ['origin', 'protocol'] as const) Object.defineProperty(url, part, { value: url[part] });
  return url;
}
