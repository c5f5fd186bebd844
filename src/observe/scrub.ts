import { Failure } from '../exchange/index.ts';

/** What looks like a credential wherever it stands: header values, keys with known prefixes, JWTs, URLs with passwords. */
const credentials: readonly (readonly [RegExp, string])[] = [
  [/\b(bearer|basic|digest|negotiate)\s+[\w+/=.~-]{4,}/gi, '$1 [secret]'],
  [
    /\b(authorization|x-api-key|x-goog-api-key|api[-_]?key|token|secret|password|passwd|cookie)(["']?\s*[:=]\s*["']?)[^\s"',;&]+/gi,
    '$1$2[secret]',
  ],
  [/\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?/g, '[secret]'],
  [/\b(?:sk|pk|rk|xox[a-z]|gh[a-z]|glpat|hf|gsk|AIza|llm)[-_][\w-]{8,}/g, '[secret]'],
  [/\bAIza[\w-]{20,}/g, '[secret]'],
  [/\bAKIA[A-Z0-9]{12,}/g, '[secret]'],
  [/(\w+:\/\/[^\s/:@]*:)[^\s/@]+@/g, '$1[secret]@'],
];

/** The text without what looks like a credential, at most `length` characters. */
export function scrub(text: string, length = 300): string {
  let clean = text.length > 4 * length ? text.slice(0, 4 * length) : text;
  for (const [pattern, by] of credentials) clean = clean.replace(pattern, by);
  return clean.length > length ? `${clean.slice(0, length)}...` : clean;
}

/** An error as a log may show it. */
export interface LoggedError {
  readonly name: string;
  readonly code?: string;
  readonly syscall?: string;
  readonly message?: string;
  readonly at?: readonly string[];
  readonly cause?: LoggedError;
}

/** V8's own messages name variables, not values. A `code` marks Node's, which quote what they received. */
const spoken = new Set(['TypeError', 'RangeError', 'ReferenceError']);

/**
 * An error without what it may quote: a JSON error repeats the text it could not read, a provider's error repeats the
 * prompt. Kept are name, code, and where it happened; the message only where the engine itself wrote it.
 */
export function loggedError(error: unknown, depth = 3): LoggedError {
  if (!(error instanceof Error)) return { name: typeof error };
  const { code, syscall } = error as { code?: unknown; syscall?: unknown };
  const inner = depth > 1 && error.cause !== undefined ? { cause: loggedError(error.cause, depth - 1) } : {};
  const known = {
    name: scrub(error.name, 60),
    ...(typeof code === 'string' ? { code: scrub(code, 60) } : {}),
    ...(typeof syscall === 'string' ? { syscall: scrub(syscall, 60) } : {}),
  };
  // A failure of the closed table is expected: its code says it all.
  if (error instanceof Failure) return { ...known, ...inner };
  // The stack repeats the message, whose lines may look like frames.
  const stack = error.stack ?? '';
  const frames = stack
    .slice(Math.max(0, stack.indexOf(error.message)) + error.message.length)
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 8)
    .map((line) => scrub(line.trim()));
  return {
    ...known,
    ...(spoken.has(error.name) && code === undefined ? { message: scrub(error.message, 200) } : {}),
    at: frames,
    ...inner,
  };
}
