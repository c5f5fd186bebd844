/** Where a value stands in a JSON document: keys and indices from the root. */
export type JsonPath = readonly (string | number)[];

export type Role = 'system' | 'user' | 'assistant' | 'tool' | 'unknown';

/**
 * What kind of text a passage is. `tool_arguments` is JSON text inside a string (matched inside its scalars);
 * `other` is text in a field the vocabulary does not know: scanned all the same.
 */
export type Channel = 'content' | 'reasoning' | 'refusal' | 'tool_arguments' | 'tool_definition' | 'other';

/** A piece of text of a request, with its address. Replies use lanes (event.ts). */
export interface Passage {
  readonly text: string;
  readonly role: Role;
  readonly channel: Channel;
  /** Address of the JSON string in the request body, for a splice. */
  readonly path: JsonPath;
  /** Position among the request's messages; -1 where it belongs to none (system, tools). */
  readonly message: number;
}
