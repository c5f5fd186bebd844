import type { Format, FormatName } from '../exchange/index.ts';
import { anthropicMessages } from './anthropic-messages/index.ts';
import { openaiChat } from './openai-chat/index.ts';

export { type JsonObject, parseStrict, type StrictOptions } from './json/index.ts';
export { anthropicMessages, openaiChat };

/** Every wire language in the box, by name. */
export const formats = {
  'openai-chat': openaiChat,
  'anthropic-messages': anthropicMessages,
} satisfies Record<FormatName, Format>;

/** The format of this name, or undefined where none is in the box. */
export function formatByName(name: string): Format | undefined {
  return Object.hasOwn(formats, name) ? formats[name as FormatName] : undefined;
}
