import type { Json } from './policy.ts';

const none: readonly string[] = [];
const place = /\$\{([^${}]*)\}/g;

/** Names standing in `${...}` in a text. */
export function placesIn(text: string): readonly string[] {
  // Most texts of ten thousand rules have none.
  return text.includes('${') ? Array.from(text.matchAll(place), (match) => match[1] ?? '') : none;
}

export type Params = { readonly [name: string]: Json };

/**
 * A value with its parameters put in: a text that is `${params.x}` alone becomes the parameter's own value, a text that
 * holds one among others becomes text. What names no parameter stays as it is.
 */
export function withParams(value: Json, params: Params): Json {
  if (typeof value === 'string') return textWithParams(value, params);
  if (Array.isArray(value)) return value.map((item: Json) => withParams(item, params));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withParams(member, params)]));
}

function textWithParams(text: string, params: Params): Json {
  if (!text.includes('${params.')) return text;
  const alone = /^\$\{params\.([^${}]*)\}$/.exec(text)?.[1];
  if (alone !== undefined && Object.hasOwn(params, alone)) return params[alone] ?? text;
  return text.replace(place, (whole, name: string) => {
    const param = name.startsWith('params.') ? name.slice('params.'.length) : undefined;
    if (param === undefined || !Object.hasOwn(params, param)) return whole;
    const value = params[param];
    return typeof value === 'string' ? value : JSON.stringify(value);
  });
}

/** The parameters a value names. */
export function paramsIn(value: Json): readonly string[] {
  if (typeof value === 'string') {
    return placesIn(value).flatMap((name) => (name.startsWith('params.') ? [name.slice('params.'.length)] : []));
  }
  if (typeof value !== 'object' || value === null) return none;
  const found = Object.values(value).map((member: Json) => paramsIn(member));
  return found.every((names) => names.length === 0) ? none : found.flat();
}

// A fact may hold what a caller sent, and a reason ends in a header and in an error's message.
const unprintable = /[\p{Cc}\p{Cf}\u2028\u2029]+/gu;

/** A fact's value as it reads in a sentence: short, on one line. */
export function printed(value: unknown): string {
  if (value === undefined || value === null) return '(unknown)';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text =
    typeof value === 'string'
      ? value
      : Array.isArray(value)
        ? value.map(String).join(', ')
        : typeof value === 'object'
          ? '(unable)'
          : String(value);
  const clean = text.replace(unprintable, ' ');
  return clean.length > 200 ? `${clean.slice(0, 200)}...` : clean;
}
