import { asFailure, Failure, type FormatName } from '../../src/exchange/index.ts';
import { formats } from '../../src/formats/index.ts';
import { openLog, openMetrics } from '../../src/observe/index.ts';
import type { Admitted } from '../../src/pipeline/admit.ts';
import type { Answered } from '../../src/pipeline/attempt.ts';
import { type Guarded, guard } from '../../src/pipeline/guard.ts';
import { Matchers, type Outlet, type Walk } from '../../src/pipeline/index.ts';
import { ReplySource } from '../../src/pipeline/upstream.ts';
import { compile, type Program, parsePolicies } from '../../src/policy/index.ts';
import { Abort, HeaderList, type UpstreamReply, type UpstreamSink } from '../../src/providers/index.ts';

/** Who speaks what in a guarded exchange. */
export interface Sides {
  /** The format of the provider, whose bytes are pushed. */
  readonly provider: FormatName;
  /** The format of the client, whose bytes come out. */
  readonly client: FormatName;
  readonly stream: boolean;
}

export interface GuardOptions {
  /** Most bytes of a reply to hold where a rule needs the whole of it. */
  readonly bufferBytesMax?: number;
  /** Most bytes of a plain reply, and of frames that wait. */
  readonly replyBytesMax?: number;
  /** The matchers to use instead of real ones. */
  readonly matchers?: Matchers;
}

/** What became of a reply. */
export interface Outcome {
  readonly guarded: Guarded;
  readonly status: number;
  /** Everything the client got, the failure's body where it got one. */
  readonly bytes: Buffer;
  readonly failure: Failure | undefined;
}

const metrics = openMetrics();
const log = openLog({ level: 'silent' });
/** Compiled once for a program, as a gateway does. */
const compiled = new WeakMap<Program, Matchers>();

function matchersOf(program: Program): Matchers {
  const matchers = compiled.get(program) ?? new Matchers();
  compiled.set(program, matchers);
  return matchers;
}

/** The real guard over one reply, with the real decoders and encoders; only the two sockets are buffers. */
export class GuardedReply {
  /** What left so far, a buffer for each write. */
  readonly writes: Buffer[] = [];
  headSent = false;
  /** Why the provider was called off, if it was. */
  aborted: Failure | undefined;
  /** Set once the reply is over. */
  outcome: Outcome | undefined;
  readonly #sides: Sides;
  readonly #done: Promise<Outcome>;
  #sink: UpstreamSink | undefined;

  constructor(program: Program, sides: Sides, options: GuardOptions = {}) {
    this.#sides = sides;
    const limits = { reply_bytes_max: options.replyBytesMax ?? 1 << 26 };
    const { client, provider, stream } = sides;
    const source = new ReplySource(this.#upstream(), formats[provider], stream, false, limits.reply_bytes_max);
    void source.first();
    const hold = { kept: false, output: { held: 1, most: 1 } };
    const admitted = {
      id: 'ex_1',
      requestId: 'req_1',
      at_ms: 1_790_000_000_000,
      started: 0,
      abort: new Abort(),
      arrival: { format: formats[client] },
      view: { model: 'the-model', stream, usageAsked: true },
      pinned: { program, matchers: options.matchers ?? matchersOf(program), limits },
      hold,
    } as unknown as Admitted;
    const answered = {
      source,
      hold,
      candidate: { provider: { format: formats[provider] }, model: 'the-model' },
      verdict: { facts: {} },
    } as unknown as Answered;
    const walk = { monotonic: () => 0, metrics, log } as unknown as Walk;
    this.#done = this.#run(walk, admitted, answered);
  }

  /** Bytes of the provider, as a socket would hand them over. */
  push(bytes: Buffer | string): void {
    if (bytes.length > 0) this.#sink?.data(Buffer.from(bytes));
  }

  /** The provider's body is over, with these bytes as its last. Resolves when the guard is done with it. */
  end(last: Buffer | string = ''): Promise<Outcome> {
    this.push(last);
    this.#sink?.end();
    return this.#done;
  }

  /** The connection breaks. */
  fail(): Promise<Outcome> {
    this.#sink?.error(new Failure('upstream_error', 'The connection broke.'));
    return this.#done;
  }

  /** Resolves when the guard is done, which may be before the provider is. */
  over(): Promise<Outcome> {
    return this.#done;
  }

  async #run(walk: Walk, admitted: Admitted, answered: Answered): Promise<Outcome> {
    const outlet = { write: (bytes: Buffer) => this.#write(bytes), onDrain: () => {} } as unknown as Outlet;
    const head = {
      sendStream: () => {
        this.headSent = true;
      },
    };
    const { client } = this.#sides;
    const refusal = (failure: Failure) => formats[client].failureBody(failure, admitted.requestId);
    let outcome: Outcome;
    try {
      const guarded = await guard(walk, admitted, answered, outlet, head);
      const { failure, tail } = guarded;
      // As the walk does: what fails before the head is a status line, everything else ends with the tail.
      const told = failure !== undefined && !this.headSent;
      const last = told ? refusal(failure) : tail;
      const bytes = Buffer.concat([...this.writes, last]);
      outcome = { guarded, failure, bytes, status: told ? failure.status : 200 };
    } catch (thrown) {
      const failure = asFailure(thrown);
      outcome = { guarded: {} as Guarded, failure, status: failure.status, bytes: refusal(failure) };
    }
    this.outcome = outcome;
    return outcome;
  }

  #write(bytes: Buffer): boolean {
    this.writes.push(bytes);
    return true;
  }

  #upstream(): UpstreamReply {
    return {
      status: 200,
      headers: {},
      clientHeaders: () => new HeaderList(),
      read: (sink) => {
        this.#sink = sink;
      },
      pause: () => {},
      resume: () => {},
      abort: (reason) => {
        this.aborted = reason;
        this.#sink = undefined;
      },
    };
  }
}

/** A program of policies written as they are in files. */
export function programOf(policies: readonly string[], options: GuardOptions = {}): Program {
  const { bufferBytesMax } = options;
  return compile(
    policies.flatMap((text) => parsePolicies(text)),
    {
      default: 'allow',
      ...(bufferBytesMax === undefined ? {} : { bufferBytesMax }),
    },
  );
}

/** Guards a whole reply handed over in these pieces. */
export function guarded(
  program: Program,
  sides: Sides,
  pieces: readonly (Buffer | string)[],
  options: GuardOptions = {},
): Promise<Outcome> {
  const reply = new GuardedReply(program, sides, options);
  for (const piece of pieces) reply.push(piece);
  return reply.end();
}

/** All four ways a reply can go, streamed and plain. */
export const everyWay: readonly Sides[] = (Object.keys(formats) as FormatName[]).flatMap((provider) =>
  (Object.keys(formats) as FormatName[]).flatMap((client) =>
    [true, false].map((stream): Sides => ({ provider, client, stream })),
  ),
);

export function wayName({ provider, client, stream }: Sides): string {
  const way = provider === client ? `${provider} through` : `${provider} to ${client}`;
  return `${way}, ${stream ? 'streamed' : 'plain'}`;
}
