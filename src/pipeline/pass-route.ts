import { nanoUsd } from '../callers/index.ts';
import { Failure } from '../exchange/index.ts';
import { glob } from '../policy/index.ts';

/** An entry of the section `passthrough`, as the configuration has it. */
export interface PassSettings {
  readonly provider: string;
  readonly reserve_usd: number;
  readonly methods: readonly PassMethod[];
  /** Globs below the provider's `base_url`. */
  readonly paths: readonly string[];
}

export type PassMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Calls of a provider's own API that may go through unread, and what is held for each. */
export interface PassEntry {
  readonly provider: string;
  readonly reserve_nusd: number;
  readonly methods: ReadonlySet<string>;
  /** Whether a path below the provider's base may pass. */
  passes(path: string): boolean;
}

/** The section's entries, ready to be asked. Throws RangeError for an amount that cannot be counted exactly. */
export function passEntries(settings: readonly PassSettings[]): readonly PassEntry[] {
  return settings.map(({ provider, reserve_usd, methods, paths }) => {
    const reserve_nusd = nanoUsd(reserve_usd);
    if (reserve_nusd === undefined) throw new RangeError(`a reserve of ${reserve_usd} USD cannot be counted exactly`);
    const globs = paths.map((pattern) => glob(pattern));
    return {
      provider,
      reserve_nusd,
      methods: new Set<string>(methods),
      passes: (path) => globs.some((fits) => fits(path)),
    };
  });
}

/** Where the calls come in: `/passthrough/{provider}/` and a path of the provider's API. */
export const passPrefix = '/passthrough';

/** A call as it is judged and as it is sent: there is one spelling of its path. */
export interface PassTarget {
  readonly provider: string;
  /** Below the provider's base, without the query. */
  readonly path: string;
  /** With its question mark, as it came; empty where there is none. */
  readonly query: string;
}

const form = /^\/passthrough\/([A-Za-z0-9][A-Za-z0-9._-]{0,62})(\/[\x21-\x7e]*)$/;
/** What two readers may take for a separator, a step up or a control character, encoded once or more than once. */
const ambiguous = /\\|\/\/|#|%(?![0-9a-f]{2})|%(?:25)*(?:[01][0-9a-f]|7f|2e|2f|5c)/i;
/** A segment that some servers take for a step, with or without parameters of its own. */
const step = /\/\.{1,2}(?:(?:;|%3b)[^/]*)?(?:\/|$)/i;
const unreserved = /[A-Za-z0-9._~-]/;

/**
 * Reads the target of a request line, once. Encoded letters and digits are decoded, so that a glob sees what the provider
 * sees; what could be read in two ways is refused. Throws `invalid_request` (400).
 */
export function readTarget(target: string): PassTarget {
  const mark = target.indexOf('?');
  const whole = mark < 0 ? target : target.slice(0, mark);
  const query = mark < 0 ? '' : target.slice(mark);
  const [, provider, rest] = form.exec(whole) ?? [];
  if (provider === undefined || rest === undefined || ambiguous.test(rest) || !/^[\x21\x22\x24-\x7e]*$/.test(query)) {
    throw unclear();
  }
  const path = rest.replace(/%([0-9a-f]{2})/gi, (encoded, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return unreserved.test(character) ? character : encoded.toUpperCase();
  });
  if (step.test(path) || !isUtf8(path)) throw unclear();
  return { provider, path, query };
}

function isUtf8(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

function unclear(): Failure {
  return new Failure('invalid_request', 'The path could be read in more than one way, so it is not passed on.');
}

/** The first entry that lets the call pass. Throws `not_supported` (404): what is not listed is not there. */
export function entryFor(entries: readonly PassEntry[], method: string, { provider, path }: PassTarget): PassEntry {
  const entry = entries.find((one) => one.provider === provider && one.methods.has(method) && one.passes(path));
  if (entry !== undefined) return entry;
  throw new Failure('not_supported', `${method} ${passPrefix}/${provider}${path} is not served here.`);
}

/** What stands in lists of models for calls that go through unread. */
export function passName(provider: string): string {
  return `passthrough/${provider}`;
}
