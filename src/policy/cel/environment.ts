import type { CallNode, CelNode } from './ast.ts';
import type { Implementation } from './library.ts';
import type { Overload } from './signatures.ts';
import type { CelType } from './types.ts';
import type { Dialect } from './values.ts';

/** What an expression is computed on. */
export type Input = { readonly [name: string]: unknown };

/** A name an expression may use. */
export interface Variable {
  /** Dotted, as it was found. */
  readonly name: string;
  readonly type: CelType;
  /** Its value: `undefined` where there is none, an `Unable` where it could not be computed. */
  read(input: Input): unknown;
  /** A value known when the expression is loaded. */
  readonly constant?: { readonly value: unknown };
}

/** A function: how it may be called and, unless it is only checked, what it computes. */
export interface Declared {
  readonly overloads: readonly Overload[];
  readonly compute?: Implementation;
  /** Steps of a call. */
  readonly cost?: number;
}

/** What an expression may read and call, and how it computes. */
export interface Environment {
  readonly dialect: Dialect;
  /** A prefix of names that may be left out. */
  readonly container?: string;
  /** The variable of exactly this dotted name. */
  variable(name: string): Variable | undefined;
  /** What to say of a name that is none: the nearest one, or why this is none. */
  unknown?(name: string): { readonly message?: string; readonly suggestion?: string };
  /** Functions beside the library's. */
  readonly functions?: ReadonlyMap<string, Declared>;
  /** Names of functions beside the library's, to tell the nearest of a wrong one. */
  readonly functionNames?: readonly string[];
  /** What a call stands for, undefined where it is what it is. Called before anything is checked. */
  expand?(call: CallNode): CelNode | undefined;
  /** Wrong types and unknown names are no faults at load but errors when they are met. */
  readonly lenient?: boolean;
}

/** The names a name may stand for, longest container first. */
export function candidates(name: string, container: string | undefined, absolute: boolean): readonly string[] {
  if (absolute || container === undefined || container === '') return [name];
  const parts = container.split('.');
  return [...parts.map((_, i) => `${parts.slice(0, parts.length - i).join('.')}.${name}`), name];
}
