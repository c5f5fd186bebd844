import type { JsonPath, Passage } from './passage.ts';

export type FormatName = 'openai-chat' | 'anthropic-messages';

/**
 * What stages need of a request, read once from the client's bytes. The bytes stay the truth: edits are splices into
 * them. Everything here is derived and read-only; `passages` and `chat` are computed on first use.
 */
export interface RequestView {
  readonly format: FormatName;
  readonly bytes: Buffer;
  /** What the client asked for. */
  readonly model: string;
  readonly stream: boolean;
  /** `n`; 1 where the format has none. */
  readonly choices: number;
  /** The client's own limit of output tokens a choice, where it gave one. */
  readonly maxOutputTokens?: number;
  /** Bytes of a reply the client expects: what of it does not come may be billed as output too, beyond any limit. */
  readonly predictedBytes?: number;
  /** More than text that is shown is asked for (audio, images, reasoning that is kept back): how many tokens that takes nobody sees before the reply tells. */
  readonly unseenOutput?: boolean;
  readonly temperature?: number;
  readonly toolNames: readonly string[];
  /** Models that tools of the request name: the provider asks them beside the one that answers. */
  readonly otherModels?: readonly string[];
  readonly hasImages: boolean;
  /** Whether the client asked for usage in its stream; formats that always send it say true. */
  readonly usageAsked: boolean;
  /** Whether input may be written to the provider's cache, which can be dearer than not caching it. */
  readonly cacheWrites: boolean;
  /**
   * Whether the provider may read what does not stand in the body as text: files by their id or address, pages of a
   * document, results of tools it runs itself. Then only the model's context bounds the input.
   */
  readonly readsElsewhere: boolean;
  /**
   * From how many tokens of input on the provider makes the conversation shorter first, where the request asks for that: it
   * reads all of it once more, and what it writes is billed beside the reply.
   */
  readonly compactsFrom?: number;
  /** Tools the provider runs and may bill by the call, and the most calls of each; null where the request does not say. */
  readonly hostedCalls?: Readonly<Record<string, number | null>>;
  /** The service tier the client asked for, in the format's own word: prices may depend on it. */
  readonly serviceTier?: string;
  /** Where the client wants the model to run, in the format's own word: prices may depend on it. */
  readonly inferenceGeo?: string;
  /** The caller's own words, unverified: `user` and `metadata` of the body. */
  readonly user?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Every text of the request, in document order: system, messages (all parts), tool calls, tool results, tool definitions, and text in unknown fields. */
  readonly passages: readonly Passage[];
  /** The request in the neutral vocabulary, for translation into another format. */
  readonly chat: ChatRequest;
  /** The request with these edits in the client's own format. Throws `invalid_request` where they break it. */
  edited(edits: Pick<RequestEdits, 'set' | 'remove' | 'texts' | 'prependSystem'>): RequestView;
}

/** Edits of one attempt. Every attempt is encoded from the original bytes with its own edits. */
export interface RequestEdits {
  /** The provider's name for the model. */
  readonly model: string;
  /** Replaces or sets the limit of output tokens a choice. */
  readonly maxOutputTokens?: number | undefined;
  /** New texts for passages (redactions). */
  readonly texts: readonly { readonly passage: Passage; readonly text: string }[];
  /** Stands before whatever the client tells the model as its operator; rails do not look at it. */
  readonly prependSystem?: string | undefined;
  /** Body fields to set, by dotted path; values are JSON values. */
  readonly set: Readonly<Record<string, unknown>>;
  /** Body fields to remove, by dotted path. */
  readonly remove: readonly string[];
  /** Ask the provider for usage in the stream, where its format has such a switch and the client did not. */
  readonly askUsage: boolean;
  /** Provider quirks (YAML): fields its API refuses, fields it calls otherwise. */
  readonly dropFields: readonly string[];
  readonly renameFields: Readonly<Record<string, string>>;
}

export interface EncodedRequest {
  readonly body: Buffer;
  /** Path below the provider's `base_url`, for example `/chat/completions`. */
  readonly path: string;
  /** Headers the format needs (`anthropic-version`), lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Settings the format cannot express, in words: record and response header. */
  readonly warnings: readonly string[];
}

/** Raw JSON text, kept as the client spelled it (big integers, key order), to be embedded unchanged. */
export interface RawJson {
  readonly json: string;
}

export type ChatPart =
  | { readonly type: 'text'; readonly text: string }
  | {
      readonly type: 'image';
      readonly url?: string;
      readonly mediaType?: string;
      readonly base64?: string;
      readonly detail?: string;
    }
  | {
      readonly type: 'document';
      readonly mediaType?: string;
      readonly base64?: string;
      readonly url?: string;
      readonly name?: string;
    }
  | { readonly type: 'audio'; readonly base64: string; readonly encoding: string }
  | { readonly type: 'reasoning'; readonly text: string; readonly signature?: string }
  | { readonly type: 'refusal'; readonly text: string }
  | { readonly type: 'tool_call'; readonly id: string; readonly name: string; readonly arguments: RawJson }
  | {
      readonly type: 'tool_result';
      readonly id: string;
      readonly parts: readonly ChatPart[];
      readonly error: boolean;
    };

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly parts: readonly ChatPart[];
}

export interface ChatTool {
  readonly name: string;
  readonly description?: string;
  /** JSON Schema of the arguments. */
  readonly parameters?: RawJson;
  readonly strict?: boolean;
}

/** A chat request in neutral words. What the vocabulary does not know is listed in `unknown` and becomes a warning. */
export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly ChatTool[];
  readonly toolChoice?: 'auto' | 'none' | 'required' | { readonly name: string };
  readonly parallelToolCalls?: boolean;
  readonly maxOutputTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly stop?: readonly string[];
  readonly choices: number;
  readonly stream: boolean;
  readonly user?: string;
  /** `none | minimal | low | medium | high` or a token budget. */
  readonly reasoning?: { readonly effort?: string; readonly budgetTokens?: number };
  readonly responseFormat?: RawJson;
  /** Top-level fields the vocabulary cannot carry to another format. */
  readonly unknown: readonly JsonPath[];
}
