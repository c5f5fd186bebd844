import { Failure } from '../exchange/index.ts';
import { isObject, type JsonObject } from './json/index.ts';

/** Refuses a request field: `invalid_request`, with the field as `param` and at the head of the message. */
export function refuse(param: string, must: string): never {
  throw new Failure('invalid_request', `\`${param}\` must be ${must}.`, { param });
}

/** The body itself. */
export function bodyOf(value: unknown): JsonObject {
  if (!isObject(value)) throw new Failure('invalid_request', 'The body must be a JSON object.');
  return value;
}

/** The name of the model: there, and not empty. */
export function modelOf(body: JsonObject): string {
  const { model } = body;
  if (typeof model !== 'string' || model.trim() === '') refuse('model', 'a non-empty string');
  return model;
}

/** An optional field; null counts as not there. */
export function optionalBoolean(body: JsonObject, key: string): boolean | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  return typeof value === 'boolean' ? value : refuse(key, 'true or false');
}

export function optionalNumber(body: JsonObject, key: string): number | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  return typeof value === 'number' && Number.isFinite(value) ? value : refuse(key, 'a number');
}

export function optionalInteger(body: JsonObject, key: string, min: number, max?: number): number | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  const fits = typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= (max ?? value);
  if (!fits) return refuse(key, max === undefined ? `an integer, at least ${min}` : `an integer from ${min} to ${max}`);
  return value;
}

export function optionalString(holder: JsonObject, key: string, param: string): string | undefined {
  const value = holder[key];
  if (value === undefined || value === null) return undefined;
  return typeof value === 'string' ? value : refuse(param, 'a string');
}

/** The elements of an array of objects; null and a missing field are none. */
export function optionalObjects(value: unknown, param: string): readonly JsonObject[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) return refuse(param, 'an array');
  for (let index = 0; index < value.length; index += 1) {
    if (!isObject(value[index])) refuse(`${param}[${index}]`, 'an object');
  }
  return value as readonly JsonObject[];
}

/** The models that these name, of tools that ask one of their own; undefined where there is none. */
export function modelsIn(tools: readonly unknown[]): readonly string[] | undefined {
  const models = tools.flatMap((tool) => (isObject(tool) && typeof tool.model === 'string' ? [tool.model] : []));
  return models.length === 0 ? undefined : models;
}

/** The messages: an array of objects with a role. Roles nobody knows are let through. */
export function messagesOf(body: JsonObject): readonly JsonObject[] {
  const { messages } = body;
  if (!Array.isArray(messages)) refuse('messages', 'an array of messages');
  const objects = optionalObjects(messages, 'messages');
  for (let index = 0; index < objects.length; index += 1) {
    if (typeof objects[index]?.role !== 'string') refuse(`messages[${index}].role`, 'a string');
  }
  return objects;
}

/** Content in either of its two shapes; its text parts must hold text. */
export function checkContent(content: unknown, param: string): void {
  if (content === undefined || content === null || typeof content === 'string') return;
  if (!Array.isArray(content)) refuse(param, 'a string or an array of parts');
  for (const [index, part] of content.entries()) {
    const at = `${param}[${index}]`;
    if (!isObject(part)) refuse(at, 'an object');
    if (typeof part.type !== 'string') refuse(`${at}.type`, 'a string');
    if (part.type === 'text' && typeof part.text !== 'string') refuse(`${at}.text`, 'a string');
  }
}
