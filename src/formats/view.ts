import type { ChatRequest, FormatName, Passage, RequestEdits, RequestView } from '../exchange/index.ts';
import { findSpans, type JsonEdit, type JsonObject, openArray, parsePath, quote, splice } from './json/index.ts';

/** What a format found in a body at first sight. */
interface Facts {
  readonly format: FormatName;
  readonly bytes: Buffer;
  readonly model: string;
  readonly stream: boolean;
  readonly choices: number;
  readonly maxOutputTokens: number | undefined;
  readonly predictedBytes: number | undefined;
  readonly unseenOutput: boolean;
  readonly temperature: number | undefined;
  readonly toolNames: readonly string[];
  readonly otherModels: readonly string[] | undefined;
  readonly hasImages: boolean;
  readonly usageAsked: boolean;
  readonly cacheWrites: boolean;
  readonly readsElsewhere: boolean;
  readonly compactsFrom: number | undefined;
  readonly hostedCalls: Readonly<Record<string, number | null>> | undefined;
  readonly serviceTier: string | undefined;
  readonly inferenceGeo: string | undefined;
  readonly user: string | undefined;
  readonly metadata: JsonObject | undefined;
}

/** How a format reads: a body whole, and the dearer parts of a parsed one when somebody asks. One for all bodies. */
export interface Reading {
  readonly read: (bytes: Buffer) => RequestView;
  readonly passages: (body: JsonObject, bytes: Buffer) => readonly Passage[];
  readonly chat: (body: JsonObject, bytes: Buffer) => ChatRequest;
}

/** A request as the formats see it. A class, since an object literal with getters costs more than reading the body. */
export class View implements RequestView {
  readonly format: FormatName;
  readonly bytes: Buffer;
  readonly model: string;
  readonly stream: boolean;
  readonly choices: number;
  readonly toolNames: readonly string[];
  readonly hasImages: boolean;
  readonly usageAsked: boolean;
  readonly cacheWrites: boolean;
  readonly readsElsewhere: boolean;
  declare readonly compactsFrom?: number;
  declare readonly hostedCalls?: Readonly<Record<string, number | null>>;
  declare readonly otherModels?: readonly string[];
  declare readonly serviceTier?: string;
  declare readonly inferenceGeo?: string;
  declare readonly maxOutputTokens?: number;
  declare readonly predictedBytes?: number;
  declare readonly unseenOutput?: boolean;
  declare readonly temperature?: number;
  declare readonly user?: string;
  declare readonly metadata?: JsonObject;
  readonly #body: JsonObject;
  readonly #reading: Reading;
  #passages: readonly Passage[] | undefined;
  #chat: ChatRequest | undefined;

  constructor(facts: Facts, body: JsonObject, reading: Reading) {
    this.format = facts.format;
    this.bytes = facts.bytes;
    this.model = facts.model;
    this.stream = facts.stream;
    this.choices = facts.choices;
    this.toolNames = facts.toolNames;
    this.hasImages = facts.hasImages;
    this.usageAsked = facts.usageAsked;
    this.cacheWrites = facts.cacheWrites;
    this.readsElsewhere = facts.readsElsewhere;
    if (facts.compactsFrom !== undefined) this.compactsFrom = facts.compactsFrom;
    if (facts.hostedCalls !== undefined) this.hostedCalls = facts.hostedCalls;
    if (facts.otherModels !== undefined) this.otherModels = facts.otherModels;
    if (facts.serviceTier !== undefined) this.serviceTier = facts.serviceTier;
    if (facts.inferenceGeo !== undefined) this.inferenceGeo = facts.inferenceGeo;
    if (facts.maxOutputTokens !== undefined) this.maxOutputTokens = facts.maxOutputTokens;
    if (facts.predictedBytes !== undefined) this.predictedBytes = facts.predictedBytes;
    if (facts.unseenOutput) this.unseenOutput = true;
    if (facts.temperature !== undefined) this.temperature = facts.temperature;
    if (facts.user !== undefined) this.user = facts.user;
    if (facts.metadata !== undefined) this.metadata = facts.metadata;
    this.#body = body;
    this.#reading = reading;
  }

  get passages(): readonly Passage[] {
    this.#passages ??= this.#reading.passages(this.#body, this.bytes);
    return this.#passages;
  }

  get chat(): ChatRequest {
    this.#chat ??= this.#reading.chat(this.#body, this.bytes);
    return this.#chat;
  }

  edited(edits: Edits): RequestView {
    const list = policyEdits(this, edits);
    return list.length === 0 ? this : this.#reading.read(splice(this.bytes, list));
  }
}

type Edits = Parameters<RequestView['edited']>[0];

/** The edits a policy asks for, as changes of the client's own document. */
export function policyEdits(view: RequestView, edits: Edits): JsonEdit[] {
  const list: JsonEdit[] = [];
  for (const path of edits.remove) list.push({ op: 'remove', path: parsePath(path) });
  for (const [path, value] of Object.entries(edits.set)) {
    if (value !== undefined) list.push({ op: 'set', path: parsePath(path), json: JSON.stringify(value) });
  }
  const preamble = edits.prependSystem === undefined ? undefined : preambleEdit(view, edits.prependSystem, edits.texts);
  for (const { passage, text } of edits.texts) {
    const merged = preamble?.instead === passage ? `${edits.prependSystem}\n\n${text}` : text;
    list.push({ op: 'text', path: passage.path, text: merged });
  }
  if (preamble?.edit !== undefined) list.push(preamble.edit);
  return list;
}

/**
 * The operator's text before the client's own system prompt, everything else where it was: a first message in Chat, a first
 * block or the start of the text in Messages. `instead`: the passage whose new text has to begin with it.
 */
function preambleEdit(
  view: RequestView,
  text: string,
  texts: RequestEdits['texts'],
): { readonly edit?: JsonEdit; readonly instead?: Passage } {
  if (view.format === 'openai-chat') {
    const json = JSON.stringify({ role: 'system', content: text });
    return { edit: { op: 'prepend', path: ['messages'], json } };
  }
  const instead = texts.find(({ passage: { path } }) => path.length === 1 && path[0] === 'system')?.passage;
  if (instead !== undefined) return { instead };
  const [span] = findSpans(view.bytes, [['system']]);
  const first = span === undefined ? undefined : view.bytes[span.start];
  if (first === quote) return { edit: { op: 'prepend', path: ['system'], json: JSON.stringify(`${text}\n\n`) } };
  if (first === openArray)
    return { edit: { op: 'prepend', path: ['system'], json: JSON.stringify({ type: 'text', text }) } };
  return { edit: { op: 'set', path: ['system'], json: JSON.stringify(text) } };
}
