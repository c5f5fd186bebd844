import type { CharSet } from './char-set.ts';

/** A pattern as a tree. All sets hold code points; what a character may stand beside is asked by `behind` and `ahead`. */
export type Tree =
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'sequence'; readonly parts: readonly Tree[] }
  | { readonly kind: 'choice'; readonly options: readonly Tree[] }
  | { readonly kind: 'repeat'; readonly of: Tree; readonly least: number; readonly most: number }
  /** One or more of `set` at the very start; of a long run only its last 64 characters are the match's. */
  | { readonly kind: 'slide'; readonly set: CharSet }
  | { readonly kind: 'behind'; readonly look: Look }
  | { readonly kind: 'ahead'; readonly look: Look }
  /** The match begins here; what stands before is context and is never withheld. */
  | { readonly kind: 'mark' }
  /** The pattern's check is asked of what was read so far; refused, the thread ends. */
  | { readonly kind: 'check' }
  /** A match ends here; its last `back` characters were context. */
  | { readonly kind: 'accept'; readonly back: number };

/** What must stand on one side of a place. */
export interface Look {
  readonly set: CharSet;
  /** Whether the edge of the text will do. */
  readonly edge: boolean;
  /** Behind only: a written escape (`\n`, `\r`, `\t` as two characters) counts as the white space it stands for. */
  readonly escapes: boolean;
  /** Looks past what cannot be seen (patterns that fold). */
  readonly through: boolean;
}

export const emptyTree: Tree = { kind: 'sequence', parts: [] };

export function sequence(...parts: readonly Tree[]): Tree {
  return { kind: 'sequence', parts };
}

export function choice(...options: readonly Tree[]): Tree {
  return options.length === 1 && options[0] !== undefined ? options[0] : { kind: 'choice', options };
}

/** Whether the tree can match without reading a character. */
export function canBeEmpty(tree: Tree): boolean {
  switch (tree.kind) {
    case 'set':
    case 'slide':
      return false;
    case 'sequence':
      return tree.parts.every(canBeEmpty);
    case 'choice':
      return tree.options.some(canBeEmpty);
    case 'repeat':
      return tree.least === 0 || canBeEmpty(tree.of);
    default:
      return true;
  }
}
