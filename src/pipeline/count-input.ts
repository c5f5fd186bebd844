import type { Passage, RequestView } from '../exchange/index.ts';
import type { Candidate, TokenCounter } from '../providers/index.ts';
import { inputBound, likelyAudioTokens, mediaOf } from './estimate.ts';

/**
 * The input's tokens as its model's own tokeniser counts them, still as an upper bound: texts and the definitions of
 * tools exactly, everything around them (roles, names, braces) by its bytes, which are more than the marks a provider
 * puts in their place: three tokens a message (openai-cookbook, "How to count tokens with tiktoken", 2026), and for a
 * tool fewer than its JSON has. Undefined where the model has no public tokeniser, or counting takes too long.
 * `redacted` are the texts that stand instead of passages.
 */
export async function countedInputMax(
  counter: TokenCounter,
  view: RequestView,
  candidate: Candidate,
  redacted: readonly { readonly passage: Passage; readonly text: string }[],
): Promise<number | undefined> {
  if (candidate.tokenizer === undefined) return undefined;
  const { texts, bytes } = textsOf(view, redacted);
  const counted = await counter.count(candidate.tokenizer, texts);
  if (counted === undefined) return undefined;
  const around = Math.max(0, view.bytes.length - bytes);
  return inputBound(view, candidate, around + counted);
}

/** The likely number of input tokens by its model's own tokeniser: for settling what nobody told. */
export async function countedInput(
  counter: TokenCounter,
  view: RequestView,
  { tokenizer, imageTokens }: Candidate,
): Promise<number | undefined> {
  if (tokenizer === undefined) return undefined;
  const counted = await counter.count(tokenizer, textsOf(view, []).texts);
  if (counted === undefined) return undefined;
  const messages = Math.max(1, ...view.passages.map(({ message }) => message + 1));
  return counted + messageTokens * messages + replyTokens + mediaOf(view, imageTokens).tokens + likelyAudioTokens(view);
}

/** Marks around a message, and those that begin the reply (openai-cookbook, as above). */
const messageTokens = 3;
const replyTokens = 3;

function textsOf(
  view: RequestView,
  redacted: readonly { readonly passage: Passage; readonly text: string }[],
): { readonly texts: readonly string[]; readonly bytes: number } {
  const instead = new Map(redacted.map(({ passage, text }) => [passage, text]));
  const definitions = definitionsOf(view);
  const texts: string[] = definitions === undefined ? [] : [...definitions];
  let bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  for (const passage of view.passages) {
    if (passage.channel === 'tool_definition' && definitions !== undefined) continue;
    texts.push(instead.get(passage) ?? passage.text);
    bytes += Buffer.byteLength(passage.text);
  }
  return { texts, bytes };
}

/** Descriptions and schemas of functions, as JSON; undefined where the request has tools of other kinds, or cannot be read as a chat. */
function definitionsOf(view: RequestView): readonly string[] | undefined {
  if (view.toolNames.length === 0) return [];
  try {
    const { tools } = view.chat;
    if (tools.length !== view.toolNames.length) return undefined;
    return tools.flatMap(({ description, parameters }) => [description ?? '', parameters?.json ?? '']);
  } catch {
    return undefined;
  }
}
