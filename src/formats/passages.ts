import type { Channel, JsonPath, Passage, Role } from '../exchange/index.ts';
import { isObject, under } from './json/index.ts';
import { eachText } from './strings.ts';

const none: ReadonlySet<string> = new Set();
const schemaTypes = new Set(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']);

/** Collects the passages of a request in the order in which they are found. */
export class Passages {
  readonly all: Passage[] = [];
  readonly #message: number;
  readonly #role: Role;

  constructor(message = -1, role: Role = 'unknown', all: Passage[] = []) {
    this.#message = message;
    this.#role = role;
    this.all = all;
  }

  /** The same list, for the texts of another message or role. */
  of(message: number, role: Role): Passages {
    return new Passages(message, role, this.all);
  }

  /** A text; what should be one and is something else is looked at as what nobody knows. */
  text(channel: Channel, text: unknown, path: JsonPath): void {
    if (typeof text !== 'string') this.unknown(text, path);
    else this.#add(channel, text, path);
  }

  #add(channel: Channel, text: string, path: JsonPath): void {
    if (text !== '') this.all.push({ text, role: this.#role, channel, path, message: this.#message });
  }

  /** Every string and long number of a value nobody knows, but for members in `skip` and data URLs. */
  unknown(value: unknown, path: JsonPath, skip: ReadonlySet<string> = none): void {
    eachText(value, path, skip, (text, at, kind) => {
      if (kind !== 'key') this.url(text, at);
    });
  }

  /** An address: looked at as text, unless it is the thing itself (`data:`). */
  url(value: unknown, path: JsonPath): void {
    if (typeof value === 'string' && !/^data:/i.test(value)) this.#add('other', value, path);
  }

  /** Every string of a JSON Schema: descriptions, titles, defaults, enumerations; not the names of JSON's own types. */
  schema(channel: Channel, value: unknown, path: JsonPath): void {
    if (typeof value === 'string') {
      const name = path.at(-1);
      const inList = typeof name === 'number' && path.at(-2) === 'type';
      if ((name === 'type' || inList) && schemaTypes.has(value)) return;
      this.text(channel, value, path);
    } else if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) this.schema(channel, item, under(path, index));
    } else if (isObject(value)) {
      for (const key in value) {
        // A list of the properties' own names says nothing that the names do not.
        if (key === 'required' && Array.isArray(value[key]) && isObject(value.properties)) {
          const { properties } = value;
          if (value[key].every((one) => typeof one === 'string' && Object.hasOwn(properties, one))) continue;
        }
        this.schema(channel, value[key], under(path, key));
      }
    }
  }
}
