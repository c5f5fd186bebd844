import type { Tree } from '../matcher/ast.ts';
import { readPattern } from '../matcher/syntax.ts';

/** One type a rail reports: what it looks like, and what confirms it. The one source for streams and requests. */
export interface Detector {
  readonly type: string;
  /** How sure a finding is, 0 to 1. */
  readonly score: number;
  readonly tree: Tree;
  readonly fold: boolean;
  readonly check?: (text: string) => boolean;
}

export interface DetectorShape {
  readonly type: string;
  readonly score: number;
  /** Pattern in the syntax of `readPattern`, our own extensions included. */
  readonly pattern: string;
  readonly ignoreCase?: boolean;
  /** Takes other ways of writing the same characters, and reads over invisible ones. */
  readonly fold?: boolean;
  readonly check?: (text: string) => boolean;
}

export function detector(shape: DetectorShape): Detector {
  const fold = shape.fold ?? true;
  const tree = readPattern(shape.pattern, { fold, ignoreCase: shape.ignoreCase ?? false, own: true });
  const found = { type: shape.type, score: shape.score, tree, fold };
  return shape.check === undefined ? found : { ...found, check: shape.check };
}
