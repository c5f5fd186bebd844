import type { WebSocket } from 'ws';
import { asFailure, type Caller, Failure } from '../../exchange/index.ts';
import { openaiChat, parseStrict } from '../../formats/index.ts';
import { answers } from '../decision/answers.ts';
import { answeringTo, type DecisionPoint } from '../decision/point.ts';
import { ownRequestId } from '../http/failures.ts';

const unsupportedData = 1003;

export interface ReadingLimits {
  readonly unread_bytes_max: number;
  readonly unread_ms_max: number;
}

/** The questions of one stream, each answered before the next is looked at, so that answers keep their order. */
export class Questions {
  readonly #point: DecisionPoint;
  readonly #caller: Caller;
  readonly #socket: WebSocket;
  readonly #limits: ReadingLimits;
  #stalled: NodeJS.Timeout | undefined;
  /** Questions that came while an answer is waited for. */
  readonly #behind: Buffer[] = [];
  #waits = false;

  constructor(point: DecisionPoint, caller: Caller, socket: WebSocket, limits: ReadingLimits) {
    this.#point = point;
    this.#caller = caller;
    this.#socket = socket;
    this.#limits = limits;
  }

  /** Answers one message: `{id?, requestId?, context}`. */
  ask(data: Buffer, binary: boolean): void {
    const { OPEN } = this.#socket;
    if (this.#socket.readyState !== OPEN) return;
    if (binary) {
      this.#socket.close(unsupportedData, 'questions are text');
      return;
    }
    if (this.#waits) this.#behind.push(data);
    else this.#answer(data);
  }

  end(): void {
    clearTimeout(this.#stalled);
    this.#behind.length = 0;
  }

  /** Answers a question, and then those that came meanwhile; no more are read until then. */
  #answer(data: Buffer): void {
    const answer = answerOf(this.#point, this.#caller, data);
    const { written } = this.#point;
    if (written === undefined && !(answer instanceof Promise)) {
      this.#say(answer);
      return;
    }
    this.#waits = true;
    this.#socket.pause();
    void this.#written(answer).then((said) => {
      this.#waits = false;
      this.#say(said);
      for (let next = this.#behind.shift(); next !== undefined; next = this.#waits ? undefined : this.#behind.shift())
        this.#answer(next);
      this.#resume();
    });
  }

  /** Nobody is told an answer before it is written down, where that is asked for. */
  async #written(answer: object | Promise<object>): Promise<object> {
    const said = await answer;
    await this.#point.written?.();
    return said;
  }

  #resume(): void {
    if (!this.#waits && this.#stalled === undefined) this.#socket.resume();
  }

  #say(answer: object): void {
    // It may have gone while its answer was waited for.
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#socket.send(JSON.stringify(answer), () => this.#sent());
    if (this.#socket.bufferedAmount <= this.#limits.unread_bytes_max || this.#stalled !== undefined) return;
    // Whoever does not read answers is not asked for questions, and in the end let go.
    this.#socket.pause();
    this.#stalled = setTimeout(() => this.#socket.terminate(), this.#limits.unread_ms_max).unref();
  }

  #sent(): void {
    if (this.#stalled === undefined || this.#socket.bufferedAmount > this.#limits.unread_bytes_max / 2) return;
    clearTimeout(this.#stalled);
    this.#stalled = undefined;
    this.#resume();
  }
}

/** The answer with the question's id, or `{id, error}` as REST has the error. Never rejects. */
function answerOf(point: DecisionPoint, caller: Caller, data: Buffer): object | Promise<object> {
  let id: string | number | undefined;
  const named = (response: object): object => (id === undefined ? response : { id, ...response });
  const failed = (thrown: unknown): object => {
    const { error } = JSON.parse(String(openaiChat.failureBody(asFailure(thrown), ''))) as { error: object };
    return named({ error });
  };
  try {
    const question = questionOf(parseStrict(data));
    id = question.id;
    point.door.spend(caller, 1);
    const response = answers.evaluate(answeringTo(point, caller), question.asked, ownRequestId());
    return response instanceof Promise ? response.then(named, failed) : named(response);
  } catch (thrown) {
    return failed(thrown);
  }
}

/** An id stands beside the question, not in it. A question that is no object is told to be one without it. */
function questionOf(body: unknown): { readonly id?: string | number; readonly asked: unknown } {
  if (typeof body !== 'object' || body === null || Array.isArray(body) || !('id' in body)) return { asked: body };
  const { id, ...asked } = body as { id: unknown };
  if ((typeof id === 'string' && id.length <= 256) || typeof id === 'number') return { id, asked };
  throw new Failure('invalid_request', '`id` must be a text of at most 256 characters or a number.', { param: 'id' });
}
