import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Failure } from '../../exchange/index.ts';

export interface BodyLimits {
  /** Of one request. */
  readonly body_bytes_max: number;
  /** Of all requests under way together, until their replies are over; absent where nothing counts them. */
  readonly in_flight_bytes_max?: number;
}

/**
 * Has a listener read bodies as bytes, within these limits. A body whose length is told is refused before it is read;
 * one that comes in pieces of unknown number is counted as they come. Encoded bodies are refused: the next reader might
 * not undo the same encodings.
 */
export function readBodies(
  app: FastifyInstance,
  { body_bytes_max, in_flight_bytes_max = Number.POSITIVE_INFINITY }: BodyLimits,
): void {
  let inFlight = 0;
  /** Bytes so far of bodies whose length nobody told. */
  const untold = new WeakMap<FastifyRequest, { bytes: number }>();
  const tooLarge = () =>
    new Failure('request_too_large', `The request body has more than ${body_bytes_max} bytes.`, {
      extra: { body_bytes_max },
    });
  /** One body alone may always come: else a total below the limit of one would refuse it for ever. */
  const fits = (bytes: number, own: number): boolean => inFlight === own || inFlight + bytes <= in_flight_bytes_max;
  const busy = () =>
    new Failure('rate_limit_exceeded', 'The gateway holds as many request bytes as it may. Try again in 1 s.', {
      retryAfterSeconds: 1,
      extra: { scope: 'gateway', limit: in_flight_bytes_max, unit: 'bytes' },
    });

  app.addHook('onRequest', (request, reply, done) => {
    const { 'content-encoding': encoding, 'content-length': length, 'transfer-encoding': pieces } = request.raw.headers;
    if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') {
      done(
        new Failure('invalid_request', 'Encoded request bodies are not accepted; send it without content-encoding.', {
          param: 'content-encoding',
        }),
      );
      return;
    }
    const told = length === undefined ? 0 : Number(length);
    if (told > body_bytes_max) {
      done(tooLarge());
      return;
    }
    if (told > 0 && !fits(told, 0)) {
      done(busy());
      return;
    }
    const held = { bytes: told };
    // Who has hung up already closes nothing any more.
    if ((told > 0 || pieces !== undefined) && !reply.raw.closed) {
      if (pieces !== undefined) untold.set(request, held);
      inFlight += told;
      // It comes once: `once` would only wrap it.
      reply.raw.on('close', () => {
        inFlight -= held.bytes;
      });
    }
    done();
  });

  app.removeAllContentTypeParsers();
  // By its own name too: what is only found by `*` has its type parsed for each request.
  app.addContentTypeParser(['application/json', '*'], (request, payload, done) => {
    let chunks: Buffer[] | undefined;
    const held = untold.get(request);
    let size = 0;
    let told = false;
    const over = (failure: Error | null, body?: Buffer): void => {
      if (told) return;
      told = true;
      // The request lives as long as its exchange, and these listeners with it.
      chunks = undefined;
      done(failure, body);
    };
    const more = (chunk: Buffer): void => {
      if (told) return;
      size += chunk.length;
      if (size > body_bytes_max) {
        over(tooLarge());
        return;
      }
      if (held !== undefined) {
        if (!fits(chunk.length, held.bytes)) {
          over(busy());
          return;
        }
        held.bytes += chunk.length;
        inFlight += chunk.length;
      }
      // Nearly always the only one: a list that is pushed to makes room for many.
      if (chunks === undefined) chunks = [chunk];
      else chunks.push(chunk);
    };
    // A copy, always: a slice of the socket's buffer would keep all of that buffer for as long as the exchange lives.
    const whole = (): void => over(null, Buffer.concat(chunks ?? [], size));
    // Mostly it came with its head: it is taken as it lies there, without the events of a stream.
    if (payload.complete) {
      const all: Buffer | null = payload.read();
      if (all !== null) more(all);
      whole();
      return;
    }
    payload.on('data', more);
    payload.on('end', whole);
    payload.on('error', over);
  });
}
