import type { Span } from '../../exchange/index.ts';
import type { Definition } from './nfa.ts';

type Grown = { -readonly [K in keyof Span]: Span[K] } & { merged: number[] };

/**
 * The spans of a lane, ordered and disjoint. What overlaps becomes one span, named after its leftmost match; the first
 * found stands where two begin together, so a name never changes once a span's start is decided.
 */
export class SpanList {
  readonly spans: Grown[] = [];
  /** The spans threads may still grow. */
  #open: Grown[] = [];

  add(start: number, end: number, definition: Definition, quote: boolean): void {
    const spans = this.spans;
    let from = spans.length;
    while (from > 0 && (spans[from - 1]?.end ?? 0) > start) from -= 1;
    let to = from;
    while (to < spans.length && (spans[to]?.start ?? end) < end) to += 1;
    const first = spans[from];
    if (from === to || first === undefined) {
      spans.splice(from, 0, newSpan(start, end, definition, quote));
      return;
    }
    if (start < first.start) {
      const { refs, rail, type } = definition;
      first.merged = [...refs, ...first.merged.filter((pattern) => !refs.includes(pattern))];
      Object.assign(first, { start, rail, type, pattern: refs[0] ?? 0 });
    } else unite(first.merged, definition.refs);
    if (quote) first.quote = true;
    let last = Math.max(first.end, end);
    for (let i = from + 1; i < to; i += 1) {
      const other = spans[i];
      if (other === undefined) continue;
      unite(first.merged, other.merged);
      if (other.quote) first.quote = true;
      last = Math.max(other.end, last);
    }
    first.end = last;
    if (to > from + 1) spans.splice(from + 1, to - from - 1);
  }

  /** The span that holds this unit. */
  at(unit: number): Grown | undefined {
    for (let i = this.spans.length - 1; i >= 0; i -= 1) {
      const span = this.spans[i];
      if (span !== undefined && span.start <= unit) return span.end > unit ? span : undefined;
    }
    return undefined;
  }

  /** Begins a new reckoning of which spans are open. */
  closeAll(): void {
    if (this.#open.length === 0) return;
    for (const span of this.#open) span.open = false;
    this.#open = [];
  }

  leaveOpen(span: Grown): void {
    if (span.open) return;
    span.open = true;
    this.#open.push(span);
  }
}

function newSpan(start: number, end: number, definition: Definition, quote: boolean): Grown {
  const { refs, rail, type } = definition;
  return { start, end, open: false, rail, type, pattern: refs[0] ?? 0, merged: [...refs], quote };
}

function unite(into: number[], more: readonly number[]): void {
  for (const pattern of more) if (!into.includes(pattern)) into.push(pattern);
}
