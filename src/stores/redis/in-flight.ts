/** A script of Redis, and the digest by which a server that has it runs it. */
export interface Script {
  readonly source: string;
  readonly sha: string;
}

export type Argument = string | number | Buffer;

/** Who is told what became of a command, once. */
export interface Receiver {
  answered(value: unknown): void;
  /** `LedgerUnavailable`, or what Redis says is wrong with the command. */
  failed(error: Error): void;
  /** The answer that came when it had failed already. */
  readonly late?: ((value: unknown) => void) | undefined;
}

/** A command that was sent and not answered. */
export class Waiting {
  readonly sent_ms = performance.now();
  readonly due_ms: number;
  command: string;
  args: Argument[];
  /** How its answer is read; null: as bytes. */
  readonly encoding: BufferEncoding | null;
  readonly receiver: Receiver;
  /** What it runs: sent whole to a server that does not know its digest. */
  readonly script: Script | undefined;
  /** The command as Redis reads it, where its sender knows that already. */
  readonly wire: string | undefined;
  open = true;
  /** Of a deadline of its own. */
  timer: NodeJS.Timeout | undefined;

  constructor(
    command: string,
    args: Argument[],
    encoding: BufferEncoding | null,
    receiver: Receiver,
    script: Script | undefined,
    wire: string | undefined,
    deadline_ms: number,
  ) {
    this.due_ms = this.sent_ms + deadline_ms;
    this.command = command;
    this.args = args;
    this.encoding = encoding;
    this.receiver = receiver;
    this.script = script;
    this.wire = wire;
  }
}

/** Entries of the list that are let go before it is made shorter. */
const gone_max = 1_024;

/** Commands that wait equally long, so the first sent is the first due: one timer serves them all. */
export class InFlight {
  readonly #deadline_ms: number;
  readonly #overdue: (waiting: Waiting) => void;
  /** In the order they were sent; those before `#first` are let go, and the one there is open. */
  readonly #list: (Waiting | undefined)[] = [];
  #first = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `overdue` is to close what it is given. */
  constructor(deadline_ms: number, overdue: (waiting: Waiting) => void) {
    this.#deadline_ms = deadline_ms;
    this.#overdue = overdue;
  }

  add(waiting: Waiting): void {
    this.#list.push(waiting);
    this.#timer ??= setTimeout(this.#expire, this.#deadline_ms);
  }

  /** Nobody waits for it any more; false where nobody did. Answers come in order: it is mostly the first one. */
  close(waiting: Waiting): boolean {
    if (!waiting.open) return false;
    waiting.open = false;
    clearTimeout(waiting.timer);
    const list = this.#list;
    while (this.#first < list.length && list[this.#first]?.open !== true) list[this.#first++] = undefined;
    if (this.#first === list.length) list.length = 0;
    else if (this.#first >= gone_max) list.splice(0, this.#first);
    else return true;
    this.#first = 0;
    return true;
  }

  readonly #expire = (): void => {
    this.#timer = undefined;
    // Answers may lie in the socket unread where this process itself was busy: read first, then judge.
    setImmediate(() => {
      const now_ms = performance.now();
      for (;;) {
        const waiting = this.#list[this.#first];
        if (waiting === undefined) return;
        if (waiting.due_ms > now_ms) {
          this.#timer ??= setTimeout(this.#expire, Math.max(1, waiting.due_ms - now_ms));
          return;
        }
        this.#overdue(waiting);
      }
    });
  };

  /** All that are open, which are not told in time any more. */
  end(): Waiting[] {
    clearTimeout(this.#timer);
    const open: Waiting[] = [];
    for (const waiting of this.#list) if (waiting?.open === true) open.push(waiting);
    return open;
  }
}
