import type { Tree } from '../../../src/rails/matcher/ast.ts';
import { contains } from '../../../src/rails/matcher/char-set.ts';

/** The ends of all matches of `tree` from `start`, found by trying everything: slow, and nothing like the matcher. */
export function endsFrom(tree: Tree, text: string, start: number): Set<number> {
  switch (tree.kind) {
    case 'set': {
      const point = text.codePointAt(start);
      return point !== undefined && contains(tree.set, point) ? new Set([start + (point > 0xffff ? 2 : 1)]) : new Set();
    }
    case 'sequence':
      return tree.parts.reduce((starts, part) => fromAll(part, text, starts), new Set([start]));
    case 'choice':
      return new Set(tree.options.flatMap((option) => [...endsFrom(option, text, start)]));
    case 'repeat': {
      let now = new Set([start]);
      for (let i = 0; i < tree.least; i += 1) now = fromAll(tree.of, text, now);
      const all = new Set(now);
      for (let i = tree.least; i < tree.most && now.size > 0; i += 1) {
        now = new Set([...fromAll(tree.of, text, now)].filter((end) => !all.has(end)));
        for (const end of now) all.add(end);
      }
      return all;
    }
    case 'behind': {
      const point = start > 0 ? text.charCodeAt(start - 1) : undefined;
      const holds = point === undefined ? tree.look.edge : contains(tree.look.set, point);
      return holds ? new Set([start]) : new Set();
    }
    case 'ahead': {
      const point = text.codePointAt(start);
      const holds = point === undefined ? tree.look.edge : contains(tree.look.set, point);
      return holds ? new Set([start]) : new Set();
    }
    default:
      throw new Error(`the oracle does not know ${tree.kind}`);
  }
}

function fromAll(tree: Tree, text: string, starts: ReadonlySet<number>): Set<number> {
  return new Set([...starts].flatMap((start) => [...endsFrom(tree, text, start)]));
}

/** What must become of each unit of `text`: `.` leaves, `P` a placeholder stands here, `x` is swallowed. */
export function verdict(trees: readonly Tree[], text: string): string {
  const matches: [number, number][] = [];
  for (const tree of trees) {
    for (let start = 0; start < text.length; start += 1) {
      for (const end of endsFrom(tree, text, start)) if (end > start) matches.push([start, end]);
    }
  }
  matches.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const spans: [number, number][] = [];
  for (const [start, end] of matches) {
    const top = spans.at(-1);
    if (top !== undefined && start < top[1]) top[1] = Math.max(top[1], end);
    else spans.push([start, end]);
  }
  const out = [...text].map(() => '.');
  for (const [start, end] of spans) {
    out.fill('x', start, end);
    out[start] = 'P';
  }
  return out.join('');
}

/** All texts over the alphabet, up to a length. */
export function textsOver(alphabet: string, longest: number): string[] {
  const all = [''];
  let layer = [''];
  for (let i = 0; i < longest; i += 1) {
    layer = layer.flatMap((text) => [...alphabet].map((char) => text + char));
    all.push(...layer);
  }
  return all;
}

/** How many units of `prefix` no continuation can change any more. */
export function undecidable(trees: readonly Tree[], prefix: string, continuations: readonly string[]): number {
  const verdicts = continuations.map((more) => verdict(trees, prefix + more).slice(0, prefix.length));
  let shared = 0;
  while (shared < prefix.length && verdicts.every((text) => text[shared] === verdicts[0]?.[shared])) shared += 1;
  return shared;
}

/** An upper bound of how many characters a match of `tree`, begun anywhere in it, still needs to be one. */
export function distance(tree: Tree): number {
  switch (tree.kind) {
    case 'sequence':
      return tree.parts.reduce((sum, part) => sum + distance(part), 0);
    case 'choice':
      return Math.max(...tree.options.map(distance));
    case 'repeat':
      return Math.max(1, tree.least) * distance(tree.of);
    case 'behind':
      return 0;
    default:
      return 1;
  }
}
