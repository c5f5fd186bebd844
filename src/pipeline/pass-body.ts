import { Readable, Transform, type TransformCallback } from 'node:stream';
import { Failure } from '../exchange/index.ts';
import type { Abort, UpstreamReply } from '../providers/index.ts';
import { clientGone } from './accept.ts';

/** A client's body on its way to a provider, byte for byte: counted, bounded, and called off with the exchange. */
export class RequestBody extends Transform {
  bytes = 0;
  readonly #bytesMax: number;
  readonly #abort: Abort;

  constructor(source: Readable, bytesMax: number, abort: Abort) {
    super();
    this.#bytesMax = bytesMax;
    this.#abort = abort;
    source.once('error', () => abort.abort(clientGone));
    // Not a pipeline: it would destroy the client's connection, with the answer still to be written on it.
    source.pipe(this);
    this.once('close', () => {
      source.unpipe(this);
      source.resume();
    });
    this.on('error', () => {});
    abort.attach(() => this.destroy());
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.bytes += chunk.length;
    if (this.bytes > this.#bytesMax) {
      this.#abort.abort(
        new Failure('request_too_large', `The request body has more than ${this.#bytesMax} bytes.`, {
          extra: { body_bytes_max: this.#bytesMax },
        }),
      );
      return;
    }
    done(null, chunk);
  }
}

/** All of a client's body. Throws 413 where it is too long, and what the exchange was called off for. */
export async function wholeBody(source: Readable, bytesMax: number, abort: Abort): Promise<Buffer> {
  const body = new RequestBody(source, bytesMax, abort);
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of body) chunks.push(chunk as Buffer);
  } catch (thrown) {
    throw abort.reason ?? thrown;
  }
  if (abort.reason !== undefined) throw abort.reason;
  return Buffer.concat(chunks);
}

/** Who hears of a reply's body while it goes through. */
export interface BodyWatch {
  see(chunk: Buffer): void;
  /** All of it is there. The reader is told that it is over when this resolves. */
  end(): Promise<void>;
  /** It broke off, or nobody wants it any more. */
  broken(failure: Failure): void;
}

/** A provider's body on its way to the client, byte for byte, no faster than it is read. */
export class ReplyBody extends Readable {
  readonly #reply: UpstreamReply;
  readonly #watch: BodyWatch;
  #started = false;
  #over = false;

  constructor(reply: UpstreamReply, abort: Abort, watch: BodyWatch) {
    super();
    this.#reply = reply;
    this.#watch = watch;
    // It may break off before anybody listens.
    this.on('error', () => {});
    abort.attach((reason) => this.#break(reason));
  }

  override _read(): void {
    if (this.#started) {
      this.#reply.resume();
      return;
    }
    this.#started = true;
    this.#reply.read({
      data: (chunk) => {
        if (this.#over) return;
        this.#watch.see(chunk);
        if (!this.push(chunk)) this.#reply.pause();
      },
      end: () => void this.#end(),
      error: (failure) => this.#break(failure),
    });
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#break(clientGone);
    done(error);
  }

  async #end(): Promise<void> {
    this.#over = true;
    await this.#watch.end();
    this.push(null);
  }

  #break(failure: Failure): void {
    if (this.#over) return;
    this.#over = true;
    this.#reply.abort(failure);
    this.#watch.broken(failure);
    this.destroy(failure);
  }
}
