/** What a module said. */
export type WasmVerdict = { readonly match: boolean; readonly reason?: string } | { readonly unable: string };

const reason_max = 500;

/** Reads a module's output: `{ "match": true, "reason": "..." }` or `{ "unable": "..." }`; anything else is unable. */
export function verdictIn(text: string): WasmVerdict {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { unable: 'its output is no JSON' };
  }
  if (typeof value !== 'object' || value === null) return { unable: 'its output is no object' };
  const { match, reason, unable } = value as Readonly<Record<string, unknown>>;
  if (typeof unable === 'string') return { unable: unable.slice(0, reason_max) };
  if (typeof match !== 'boolean') return { unable: 'its output has no match' };
  return typeof reason === 'string' ? { match, reason: reason.slice(0, reason_max) } : { match };
}
