import type { Channel, FinishReason, ReplyEvent, Usage } from '../exchange/index.ts';

/** A tool call put together from its pieces. */
export interface GatheredCall {
  readonly index: number;
  readonly id: string;
  readonly name: string;
  readonly kind: 'function' | 'custom';
  text: string;
}

/** A run of text, a tool call or a signature, in the order in which they began. */
export type GatheredPart =
  | { readonly type: 'text'; readonly channel: Channel; readonly index: number; text: string; signature?: string }
  | { readonly type: 'call'; readonly call: GatheredCall };

/** One choice of a reply put together from its events. */
export class GatheredChoice {
  readonly number: number;
  readonly parts: GatheredPart[] = [];
  reason: FinishReason | undefined;
  stopSequence: string | undefined;

  constructor(number: number) {
    this.number = number;
  }

  get calls(): readonly GatheredCall[] {
    return this.parts.flatMap((part) => (part.type === 'call' ? [part.call] : []));
  }

  /** All text of a channel, its runs put together. */
  textOf(channel: Channel): string {
    let text = '';
    for (const part of this.parts) if (part.type === 'text' && part.channel === channel) text += part.text;
    return text;
  }
}

/** A whole reply put together from its events. Text of fields the vocabulary does not know is left behind. */
export class Gathered {
  readonly choices: GatheredChoice[] = [];
  id: string | undefined;
  created: number | undefined;
  usage: Usage | undefined;

  /** Throws the failure of an `error` event: a reply that broke is no reply. */
  static from(events: readonly ReplyEvent[]): Gathered {
    const gathered = new Gathered();
    for (const event of events) gathered.#add(event);
    if (gathered.choices.length === 0) gathered.#choice(0);
    gathered.choices.sort((a, b) => a.number - b.number);
    return gathered;
  }

  #choice(number: number): GatheredChoice {
    let choice = this.choices.find((one) => one.number === number);
    if (choice === undefined) {
      choice = new GatheredChoice(number);
      this.choices.push(choice);
    }
    return choice;
  }

  #add(event: ReplyEvent): void {
    switch (event.type) {
      case 'start':
        this.id = event.id;
        this.created = event.created;
        return;
      case 'text':
        this.#text(event);
        return;
      case 'tool_start': {
        const { index, id, name, kind } = event;
        this.#choice(event.choice).parts.push({ type: 'call', call: { index, id, name, kind, text: '' } });
        return;
      }
      case 'finish': {
        const choice = this.#choice(event.choice);
        choice.reason = event.reason;
        choice.stopSequence = event.stopSequence;
        return;
      }
      case 'usage':
        this.usage = event.usage;
        return;
      case 'signature':
        this.#sign(event);
        return;
      case 'error':
        throw event.failure;
      case 'lane_end':
      case 'ping':
      case 'end':
        return;
    }
  }

  #text({ lane, text }: Extract<ReplyEvent, { type: 'text' }>): void {
    const choice = this.#choice(lane.choice);
    const call = callFor(choice.calls, lane.channel, lane.index);
    if (call !== undefined) {
      call.text += text;
      return;
    }
    if (lane.channel === 'other' || lane.channel === 'tool_arguments') return;
    const last = choice.parts.findLast(
      (part) => part.type === 'text' && part.channel === lane.channel && part.index === lane.index,
    );
    if (last?.type === 'text') last.text += text;
    else choice.parts.push({ type: 'text', channel: lane.channel, index: lane.index, text });
  }

  #sign(event: Extract<ReplyEvent, { type: 'signature' }>): void {
    const part = this.#choice(event.choice).parts.find(
      (one) => one.type === 'text' && one.channel === 'reasoning' && one.index === event.index,
    );
    if (part?.type === 'text') part.signature = (part.signature ?? '') + event.signature;
  }
}

/** The call a lane's text is the input of: arguments of a function, the free text of a custom tool. */
export function callFor<T extends Pick<GatheredCall, 'index' | 'kind'>>(
  calls: readonly T[],
  channel: Channel,
  index: number,
): T | undefined {
  if (channel !== 'tool_arguments' && channel !== 'other') return undefined;
  const kind = channel === 'other' ? 'custom' : 'function';
  return calls.find((call) => call.index === index && call.kind === kind);
}
