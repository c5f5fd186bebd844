import {
  type Channel,
  Failure,
  type FinishReason,
  type Frame,
  type JsonPath,
  type Lane,
  mergeUsage,
  type ReplyContext,
  type ReplyEvent,
  type Usage,
} from '../../exchange/index.ts';
import { Gathered } from '../gathered.ts';
import { isObject, type JsonObject, under } from '../json/index.ts';
import { Lanes } from '../lanes.ts';
import { plainFrameOf } from '../plain-frame.ts';
import { Said } from '../said.ts';
import { errorInReply } from '../upstream.ts';
import { ChoicesSeen } from './choices-seen.ts';

const reasons: Readonly<Record<string, FinishReason>> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'tool_calls',
  function_call: 'tool_calls',
  content_filter: 'content_filter',
};

/** The reason in the words of the format. What it has no word for is the nearest that tells the client no lie. */
export function finishWord(reason: FinishReason): string {
  if (reason === 'refusal') return 'content_filter';
  return reason === 'pause' || reason === 'other' ? 'stop' : reason;
}

/** Ids, kinds, padding and bytes: no text of the model. */
const noText = new Set([
  'id',
  'role',
  'type',
  'index',
  'format',
  'obfuscation',
  'signature',
  'tool_call_id',
  'expires_at',
]);

const reasoningNames = ['reasoning_content', 'reasoning'] as const;

const textPartKeys = new Set(['text', ...noText]);
const callKeys = new Set(['index', 'id', 'type', 'function', 'custom']);
const functionKeys = new Set(['name', 'arguments']);
const customKeys = new Set(['name', 'input']);
const audioKeys = new Set(['id', 'data', 'expires_at']);
const choiceKeys = new Set([
  'index',
  'finish_reason',
  'native_finish_reason',
  'stop_reason',
  'matched_stop',
  'logprobs',
  'content_filter_results',
  'token_ids',
  'seed',
  'usage',
]);
const replyKeys = new Set([
  'id',
  'object',
  'created',
  'model',
  'usage',
  'service_tier',
  'system_fingerprint',
  'provider',
  'prompt_filter_results',
  'moderation',
  'obfuscation',
  'x_groq',
  'timings',
  'error',
  'type',
]);

interface Calls {
  /** The tool call that a wire index stands for now, with the id it came with. */
  readonly open: Map<number, { readonly index: number; readonly id: string }>;
  started: number;
  last: number;
  /** Which of them is the one call of the time before `tool_calls`. */
  alone?: number;
}

/** Reads replies of the format, plain or chunk by chunk. Holds what later chunks refer back to. */
export class ReplyReading {
  readonly #lanes = new Lanes();
  #calls: Map<number, Calls> | undefined;
  readonly #choicesSeen = new ChoicesSeen();
  #started = false;
  #reasoningName: (typeof reasoningNames)[number] | undefined;
  #usage: Usage | undefined;
  /** What choices told of their own, by their number. */
  #usages: Map<number, Usage> | undefined;
  #tier: string | undefined;

  /** Every choice seen has given its reason to finish. */
  get finished(): boolean {
    return this.#choicesSeen.finished;
  }

  /** What a whole reply or one chunk says. */
  said(value: unknown, data: Buffer, usageInjected: boolean): Said {
    const said = new Said(data);
    if (!isObject(value)) {
      said.wholes(this.#lanes, 0, value, [], noText);
      return said;
    }
    const failed = isError(value.error) || value.object === 'error';
    const choices = Array.isArray(value.choices) ? value.choices : [];
    // A report on the prompt may come first, without choices and without an id: nothing has begun yet.
    if (!failed && (choices.length > 0 || value.id)) this.#start(value, said);
    for (const key in value) {
      if (key === 'choices' && choices === value.choices) this.#choices(choices, said);
      else if (!replyKeys.has(key)) said.member(this.#lanes, 0, key, value[key], [], noText);
    }
    const counted = this.#count(value, said);
    said.usageOnly = usageInjected && counted && Array.isArray(value.choices) && choices.length === 0;
    if (failed) {
      // Beside an error, a reason to finish is not one: the reply broke.
      dropFinishes(said.events);
      said.events.push({ type: 'error', failure: errorInReply(value, data, 'openai-chat') });
    }
    return said;
  }

  #choices(choices: readonly unknown[], said: Said): void {
    for (let position = 0; position < choices.length; position += 1) {
      const choice = choices[position];
      if (isObject(choice)) this.#choice(choice, ['choices', position], position, said);
      else said.wholes(this.#lanes, 0, choice, ['choices', position], noText);
    }
  }

  #start(value: JsonObject, said: Said): void {
    if (this.#started) return;
    this.#started = true;
    const { id, model, created } = value;
    const start: { type: 'start'; id?: string; model?: string; created?: number } = { type: 'start' };
    if (typeof id === 'string' && id !== '') start.id = id;
    if (typeof model === 'string' && model !== '') start.model = model;
    if (typeof created === 'number' && created > 0) start.created = created;
    said.events.push(start);
  }

  #choice(choice: JsonObject, path: JsonPath, position: number, said: Said): void {
    const number = numberOf(choice, position);
    this.#choicesSeen.see(number);
    said.speaksOf(number);
    const { delta, message, finish_reason: reason } = choice;
    const first = said.events.length;
    // Some providers repeat the whole text so far beside each delta: then it is judged where it stands. Others repeat
    // each piece as the `text` of old completions: read as one with the delta, every piece would be there twice.
    const speaks = isObject(delta) ? 'delta' : isObject(message) ? 'message' : 'neither';
    for (const key in choice) {
      const value = choice[key];
      if (key === speaks && isObject(value)) this.#message(value, under(path, key), number, said);
      else if (key === 'text' && speaks === 'neither') this.#say(said, number, 'content', 0, value, under(path, key));
      else if (key === 'text') said.fragments(this.#lanes, number, key, value, under(path, key), noText);
      else if (!choiceKeys.has(key)) said.member(this.#lanes, number, key, value, path, noText);
    }
    if (isObject(choice.logprobs)) this.#logprobs(choice.logprobs, under(path, 'logprobs'), number, said, first);
    if (typeof reason !== 'string' || reason === '' || !this.#choicesSeen.finish(number)) return;
    const known = reasons[reason];
    if (known === reason) said.events.push({ type: 'finish', choice: number, reason: known });
    else said.events.push({ type: 'finish', choice: number, reason: known ?? 'other', native: reason });
  }

  /** A lane begins with its first text, not with an empty one. What should be a text and is none is looked at as unknown. */
  #say(said: Said, choice: number, channel: Channel, index: number, text: unknown, path: JsonPath): void {
    if (typeof text !== 'string') said.fragments(this.#lanes, choice, `${channel} ${index}`, text, path, noText);
    else if (text !== '') said.text(this.#lanes.of(choice, channel, index), text, path);
  }

  /** Tokens repeat the text beside them and go with it; those that do not are text of their own. */
  #logprobs(logprobs: JsonObject, path: JsonPath, choice: number, said: Said, first: number): void {
    let spoken = '';
    for (let index = first; index < said.events.length; index += 1) {
      const event = said.events[index];
      if (event?.type === 'text') spoken += event.text;
    }
    for (const key of ['content', 'refusal', 'tokens']) {
      const text = tokensText(logprobs[key]);
      if (!spoken.includes(text)) said.text(this.#lanes.unknown(choice, `logprobs ${key}`), text, under(path, key));
    }
  }

  /** A `delta` or a `message`: they carry their text in the same members. */
  #message(message: JsonObject, path: JsonPath, choice: number, said: Said): void {
    // It came before the answer, wherever its member stands: other formats tell the two in order.
    if (message.reasoning_content || message.reasoning) this.#reasoning(message, path, choice, said);
    for (const key in message) {
      const value = message[key];
      if (value === null || value === '') continue;
      if (key === 'reasoning_content' || key === 'reasoning' || noText.has(key)) continue;
      const at = under(path, key);
      if (key === 'content') this.#content(value, at, choice, said);
      else if (key === 'refusal') this.#say(said, choice, 'refusal', 0, value, at);
      else if (key === 'tool_calls' && Array.isArray(value)) this.#toolCalls(value, at, choice, said);
      else if (key === 'function_call' && isObject(value)) this.#functionCall(value, at, choice, said);
      else said.fragments(this.#lanes, choice, key, value, at, key === 'audio' ? audioKeys : noText);
    }
  }

  #content(value: unknown, path: JsonPath, choice: number, said: Said): void {
    if (!Array.isArray(value)) {
      this.#say(said, choice, 'content', 0, value, path);
      return;
    }
    // Parts instead of a string, as some providers send them with their reasoning.
    for (const [index, part] of value.entries()) {
      const at = under(path, index);
      const isText = isObject(part) && part.type === 'text';
      if (isText) this.#say(said, choice, 'content', 0, part.text, under(at, 'text'));
      said.fragments(this.#lanes, choice, `content ${index}`, part, at, isText ? textPartKeys : noText);
    }
  }

  /**
   * Under either of its two names. The first met tells it; what stands under the other says the same, or is for readers of
   * that name alone: the two are judged apart.
   */
  #reasoning(message: JsonObject, path: JsonPath, choice: number, said: Said): void {
    const { reasoning_content: content } = message;
    this.#reasoningName ??= typeof content === 'string' && content !== '' ? 'reasoning_content' : 'reasoning';
    for (const name of reasoningNames) {
      const at = under(path, name);
      if (name === this.#reasoningName) this.#say(said, choice, 'reasoning', 0, message[name], at);
      else said.fragments(this.#lanes, choice, name, message[name], at, noText);
    }
  }

  #toolCalls(calls: readonly unknown[], path: JsonPath, choice: number, said: Said): void {
    for (const [position, call] of calls.entries()) {
      const at = under(path, position);
      if (!isObject(call)) {
        said.fragments(this.#lanes, choice, `call at ${position}`, call, at, noText);
        continue;
      }
      const inner = isObject(call.function) ? call.function : undefined;
      const custom = isObject(call.custom) ? call.custom : undefined;
      const index = this.#callIndex(call, inner ?? custom, custom !== undefined, choice, said);
      const field = `call ${index}`;
      if (inner !== undefined) this.#arguments(inner, under(at, 'function'), choice, index, `${field} function`, said);
      else said.fragments(this.#lanes, choice, `${field} function`, call.function, under(at, 'function'), noText);
      if (custom !== undefined) {
        // Free text, no JSON: as tool arguments it would be looked at only inside JSON scalars.
        this.#say(said, choice, 'other', index, custom.input, [...at, 'custom', 'input']);
        said.name(this.#lanes, choice, custom.name, [...at, 'custom', 'name']);
        said.fragments(this.#lanes, choice, `${field} custom`, custom, under(at, 'custom'), customKeys);
      } else said.fragments(this.#lanes, choice, `${field} custom`, call.custom, under(at, 'custom'), noText);
      said.fragments(this.#lanes, choice, field, call, at, callKeys);
    }
  }

  /**
   * Which tool call of the choice a fragment belongs to. Providers differ: the index may be missing, or the same for
   * every call of a turn; then another id tells that another call began.
   */
  #callIndex(call: JsonObject, inner: JsonObject | undefined, custom: boolean, choice: number, said: Said): number {
    const calls = this.#callsOf(choice);
    const id = typeof call.id === 'string' ? call.id : '';
    const name = typeof inner?.name === 'string' ? inner.name : '';
    const wire = typeof call.index === 'number' ? call.index : undefined;
    const known = wire === undefined ? calls.open.get(calls.last) : calls.open.get(wire);
    const other = known !== undefined && id !== '' && name !== '' && known.id !== '' && id !== known.id;
    const whole = wire === undefined && name !== '' && (id === '' || known?.id !== id);
    if (known !== undefined && !other && !whole) return known.index;
    const index = calls.started;
    calls.started += 1;
    calls.last = wire ?? index;
    calls.open.set(calls.last, { index, id });
    said.events.push({ type: 'tool_start', choice, index, id, name, kind: custom ? 'custom' : 'function' });
    return index;
  }

  #callsOf(choice: number): Calls {
    this.#calls ??= new Map();
    const known = this.#calls.get(choice);
    if (known !== undefined) return known;
    const fresh: Calls = { open: new Map(), started: 0, last: -1 };
    this.#calls.set(choice, fresh);
    return fresh;
  }

  /** The one call of the time before `tool_calls`. */
  #functionCall(call: JsonObject, path: JsonPath, choice: number, said: Said): void {
    const calls = this.#callsOf(choice);
    if (calls.alone === undefined) {
      const name = typeof call.name === 'string' ? call.name : '';
      // Beside others it repeats one of them: judged by itself, and no second call.
      if (calls.started === 0)
        said.events.push({ type: 'tool_start', choice, index: 0, id: '', name, kind: 'function' });
      calls.alone = calls.started;
      calls.started += 1;
    }
    this.#arguments(call, path, choice, calls.alone, 'function_call', said);
  }

  /** Arguments are JSON in a string; some providers send the JSON itself. */
  #arguments(called: JsonObject, path: JsonPath, choice: number, index: number, field: string, said: Said): void {
    const at = under(path, 'arguments');
    const json = called.arguments;
    if (typeof json === 'object' && json !== null) said.json(this.#lanes.of(choice, 'tool_arguments', index), at);
    else this.#say(said, choice, 'tool_arguments', index, json, at);
    said.name(this.#lanes, choice, called.name, under(path, 'name'));
    said.fragments(this.#lanes, choice, field, called, path, functionKeys);
  }

  /** Reports usage so far where this piece tells of it. */
  #count(value: JsonObject, said: Said): boolean {
    if (typeof value.service_tier === 'string') this.#tier = value.service_tier;
    const own = value.usage;
    const groq = isObject(value.x_groq) ? value.x_groq.usage : undefined;
    const told = isObject(own) ? own : isObject(groq) ? groq : undefined;
    const usage = told === undefined ? this.#countChoices(value.choices) : usageOf(told, this.#tier);
    if (usage === undefined) return false;
    // What was read does not vanish: zeros after that stand for nothing new, as in the other format.
    const isEmpty = usage.input === 0 && usage.output === 0 && (this.#usage?.input ?? 0) > 0;
    if (this.#usage === undefined || !isEmpty) this.#usage = mergeUsage(this.#usage, usage);
    said.events.push({ type: 'usage', usage: this.#usage });
    return true;
  }

  /**
   * Usage in the choices, where it does not stand beside them (Kimi's streams without `stream_options`,
   * github.com/northes/go-moonshot/issues/17, 2026-11); undefined where none tells any.
   */
  #countChoices(choices: unknown): Usage | undefined {
    if (!Array.isArray(choices)) return undefined;
    let tells = false;
    for (let position = 0; position < choices.length; position += 1) {
      const choice = choices[position];
      if (!isObject(choice) || !isObject(choice.usage)) continue;
      tells = true;
      this.#usages ??= new Map();
      this.#usages.set(numberOf(choice, position), usageOf(choice.usage, this.#tier));
    }
    return tells && this.#usages !== undefined ? usageOfAll(this.#usages.values()) : undefined;
  }
}

function numberOf({ index }: JsonObject, position: number): number {
  return typeof index === 'number' ? index : position;
}

/** Of all choices: each read the same prompt, and wrote for itself. */
function usageOfAll(usages: Iterable<Usage>): Usage {
  let all: Usage = {};
  for (const one of usages) {
    all = known({
      ...mergeUsage(all, one),
      output: sum(all.output, one.output),
      reasoning: sum(all.reasoning, one.reasoning),
      audioOutput: sum(all.audioOutput, one.audioOutput),
    });
  }
  return all;
}

function sum(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : one + other;
}

/** An error that says something: some providers send the member with null or nothing in it. */
function isError(error: unknown): boolean {
  return isObject(error) ? Object.keys(error).length > 0 : typeof error === 'string' && error !== '';
}

function dropFinishes(events: ReplyEvent[]): void {
  const rest = events.filter((event) => event.type !== 'finish');
  events.splice(0, events.length, ...rest);
}

/** Canonical usage of OpenAI's object. Fields that are missing or no numbers stay unknown. */
export function usageOf(told: JsonObject, tier: string | undefined): Usage {
  const input = isObject(told.prompt_tokens_details) ? told.prompt_tokens_details : {};
  const output = isObject(told.completion_tokens_details) ? told.completion_tokens_details : {};
  const total = count(told.total_tokens);
  const prompt = count(told.prompt_tokens) ?? rest(total, count(told.completion_tokens));
  const completion = count(told.completion_tokens) ?? rest(total, prompt);
  const reasoning = count(output.reasoning_tokens);
  const usage: { -readonly [K in keyof Usage]: Usage[K] } = {};
  // Three names for one number: OpenAI's, DeepSeek's, and one of Kimi's two.
  const cacheRead = count(input.cached_tokens) ?? count(told.prompt_cache_hit_tokens) ?? count(told.cached_tokens);
  const cacheWrite = count(input.cache_write_tokens);
  const audioInput = count(input.audio_tokens);
  const imageInput = count(input.image_tokens);
  const audioOutput = count(output.audio_tokens);
  const beside = besides(prompt, completion, total, reasoning ?? 0, (cacheRead ?? 0) + (cacheWrite ?? 0));
  if (prompt !== undefined) usage.input = prompt + beside.input;
  if (completion !== undefined) usage.output = completion + beside.output;
  if (cacheRead !== undefined) usage.cacheRead = cacheRead;
  if (cacheWrite !== undefined) usage.cacheWrite = cacheWrite;
  if (reasoning !== undefined) usage.reasoning = reasoning;
  if (audioInput !== undefined) usage.audioInput = audioInput;
  if (imageInput !== undefined) usage.imageInput = imageInput;
  if (audioOutput !== undefined) usage.audioOutput = audioOutput;
  if (tier !== undefined) usage.serviceTier = tier;
  return usage;
}

const nothingBeside = Object.freeze({ input: 0, output: 0 });

/**
 * What some providers count beside the prompt and the completion instead of in them: reasoning, a cache. Their total gives
 * it away, or a part that is more than its whole; tokens of a total that stand nowhere else are output that is not shown
 * (thoughts of Gemini's models).
 */
function besides(
  prompt: number | undefined,
  completion: number | undefined,
  total: number | undefined,
  reasoning: number,
  cached: number,
): { readonly input: number; readonly output: number } {
  if (prompt === undefined || completion === undefined) return nothingBeside;
  const more = total === undefined ? 0 : Math.max(0, total - prompt - completion);
  const byTotal = cached > 0 && more !== reasoning && (more === cached || more === cached + reasoning);
  const input = cached > prompt || byTotal ? cached : 0;
  const hidden = Math.max(0, more - input);
  return { input, output: reasoning > completion + hidden ? reasoning : hidden };
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}

/** What a total leaves for the part that was not told. */
function rest(total: number | undefined, part: number | undefined): number | undefined {
  return total === undefined || part === undefined || part > total ? undefined : total - part;
}

type Loose = { [K in keyof Usage]?: Usage[K] | undefined };

/** Without the fields that are unknown: a later report must not overwrite an earlier one with nothing. */
export function known(usage: Loose): Usage {
  const told: Record<string, unknown> = {};
  for (const field in usage) {
    const value = usage[field as keyof Usage];
    if (value !== undefined) told[field] = value;
  }
  return told as Usage;
}

/** Usage in the words of the format; only what is known. */
export function usageBody(usage: Usage): JsonObject {
  const { input, output, cacheRead, cacheWrite, audioInput, reasoning, audioOutput } = usage;
  const inputDetails = { cached_tokens: cacheRead, cache_write_tokens: cacheWrite, audio_tokens: audioInput };
  const outputDetails = { reasoning_tokens: reasoning, audio_tokens: audioOutput };
  const anyOf = (details: JsonObject) =>
    Object.values(details).some((one) => one !== undefined) ? details : undefined;
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input === undefined || output === undefined ? undefined : input + output,
    prompt_tokens_details: anyOf(inputDetails),
    completion_tokens_details: anyOf(outputDetails),
  };
}

/** The text of a list of tokens, bare or with their probabilities. */
function tokensText(tokens: unknown): string {
  if (!Array.isArray(tokens)) return '';
  return tokens
    .map((one) => (isObject(one) ? one.token : one))
    .filter((one) => typeof one === 'string')
    .join('');
}

const repeating = ['logprobs', 'token_ids'];

/** `logprobs` of a choice repeat its text token by token, and so do the numbers of its tokens that some servers tell. */
export function repeats(path: JsonPath): readonly JsonPath[] {
  if (path[0] !== 'choices') return [];
  const choice = path.slice(0, 2);
  return [...repeating.map((name) => [...choice, name]), [...choice, 'delta', 'token_id']];
}

/** Random letters beside each delta, which hide how long its text is. */
export const padding: readonly JsonPath[] = [['obfuscation']];

const deltaTexts = new Set<string | number>(['content', 'reasoning_content', 'reasoning', 'refusal', 'arguments']);

/** Whether all a chunk says is its one text: `logprobs` repeat it, so that what they say depends on what it is. */
export function alone(value: unknown, { paths: [path] }: Said): boolean {
  const [choices, , delta] = path ?? [];
  if (choices !== 'choices' || delta !== 'delta' || !deltaTexts.has(path?.at(-1) ?? '')) return false;
  const list = isObject(value) && Array.isArray(value.choices) ? value.choices : [];
  return list.length === 1 && isObject(list[0]) && !isObject(list[0].logprobs);
}

/** A plain reply as one frame. */
export function plainFrame(body: Buffer): Frame {
  return plainFrameOf(body, wholeReply, repeats);
}

function wholeReply(value: JsonObject, body: Buffer): Said {
  const said = new ReplyReading().said(value, body, false);
  if (said.events.at(-1)?.type !== 'error') {
    if (Array.isArray(value.choices)) closeLanes(said);
    else {
      // Of another kind (embeddings), it tells who made it all the same, and what that took.
      const { model } = value;
      const begun = said.events.some(({ type }) => type === 'start');
      if (!begun && typeof model === 'string' && model !== '') said.events.push({ type: 'start', model });
      said.events.push(noReply());
    }
  }
  return said;
}

function noReply(): ReplyEvent {
  const failure = new Failure('upstream_error', 'The provider sent a reply without choices.');
  return { type: 'error', failure };
}

/** In a plain reply every lane is whole: each ends after its last text, before its choice finishes. */
function closeLanes(said: Said): void {
  let open: Lane[] | undefined;
  let newest = -1;
  const events: ReplyEvent[] = [];
  for (const event of said.events) {
    if (event.type === 'text') {
      const { lane } = event;
      // Slots count up: a lane beyond the newest cannot be open yet.
      if (open === undefined) open = [lane];
      else if (lane.slot > newest || !open.includes(lane)) open.push(lane);
      newest = Math.max(newest, lane.slot);
    } else if (event.type === 'lane_end') {
      const at = open?.lastIndexOf(event.lane) ?? -1;
      if (at >= 0) open?.splice(at, 1);
    } else if (event.type === 'finish') open = closed(open, event.choice, events);
    events.push(event);
  }
  closed(open, undefined, events);
  events.push({ type: 'end' });
  said.events = events;
}

/** Ends the open lanes of a choice, or all of them; returns those that stay open. */
function closed(
  open: readonly Lane[] | undefined,
  choice: number | undefined,
  events: ReplyEvent[],
): Lane[] | undefined {
  if (open === undefined) return undefined;
  let rest: Lane[] | undefined;
  for (const lane of open) {
    if (choice === undefined || lane.choice === choice) events.push({ type: 'lane_end', lane });
    else if (rest === undefined) rest = [lane];
    else rest.push(lane);
  }
  return rest;
}

/** A whole plain reply made from its events. Throws the failure of an `error` event. */
export function plainReply(events: readonly ReplyEvent[], context: ReplyContext): Buffer {
  const reply = Gathered.from(events);
  const choices = reply.choices.map((choice) => {
    const calls = choice.calls.map((call, place) => {
      const id = call.id || callId(context.id, choice.number, place);
      return call.kind === 'custom'
        ? { id, type: 'custom', custom: { name: call.name, input: call.text } }
        : { id, type: 'function', function: { name: call.name, arguments: call.text || '{}' } };
    });
    const content = choice.textOf('content');
    const reasoning = choice.textOf('reasoning');
    return {
      index: choice.number,
      message: {
        role: 'assistant',
        content: content === '' && (calls.length > 0 || choice.textOf('refusal') !== '') ? null : content,
        refusal: choice.textOf('refusal') || null,
        ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
        ...(calls.length === 0 ? {} : { tool_calls: calls }),
      },
      logprobs: null,
      finish_reason: finishWord(choice.reason ?? 'stop'),
    };
  });
  return Buffer.from(
    JSON.stringify({
      id: reply.id ?? context.id,
      object: 'chat.completion',
      created: reply.created ?? context.created,
      model: context.model,
      choices,
      ...(reply.usage === undefined ? {} : { usage: usageBody(reply.usage) }),
      ...(reply.usage?.serviceTier === undefined ? {} : { service_tier: tierWord(reply.usage.serviceTier) }),
    }),
  );
}

/** An id for a call whose provider gave none: clients send it back with the result. */
export function callId(reply: string, choice: number, place: number): string {
  return `call_${reply}_${choice}_${place}`;
}

/** Anthropic's `standard` is `default` here. */
export function tierWord(tier: string): string {
  return tier === 'standard' ? 'default' : tier;
}
