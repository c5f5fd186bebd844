import type { Format } from '../exchange/index.ts';
import type { Arrival } from './walk.ts';

/** A switch, spelled without escapes: no text of anybody's hides in it. */
const plain = /^[\w.-]{1,64}(?:=[\w.-]{0,64})?$/;
const parametersMax = 16;

export interface PassedQuery {
  /** What goes on, as it came: `?beta=true`, or nothing. */
  readonly text: string;
  /** What is left out, in words. */
  readonly warnings: readonly string[];
}

const nothing: PassedQuery = { text: '', warnings: [] };

/**
 * The part of a call's query string that goes on to a provider of the caller's own format: the switches the format has.
 * Everything else of an address is the configuration's, and no rail looks at it: it is left out, and told.
 */
export function passedQuery({ query, format }: Pick<Arrival, 'query' | 'format'>, to: Format): PassedQuery {
  if (query === undefined || query === '') return nothing;
  const passed: string[] = [];
  const left = new Set<string>();
  for (const pair of query.split('&').slice(0, parametersMax)) {
    const name = pair.split('=', 1)[0] ?? '';
    const known = to.name === format.name && to.passQuery.includes(name) && plain.test(pair);
    if (known && !passed.some((one) => one.split('=', 1)[0] === name)) passed.push(pair);
    else if (pair !== '') left.add(/^[\w.-]{1,64}$/.test(name) ? name : '?');
  }
  return {
    text: passed.length === 0 ? '' : `?${passed.join('&')}`,
    warnings: [...left].map((name) => `query parameter ${name}: not passed on`),
  };
}
