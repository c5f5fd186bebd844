import type { Implementation } from '../cel/library.ts';

export type Family =
  | 'texts'
  | 'numbers'
  | 'lists'
  | 'dates'
  | 'networks'
  | 'hashing'
  | 'models'
  | 'usage'
  | 'content'
  | 'callers'
  | 'jurisdiction';

/** A function of policies beside CEL's own: what it is called, what it takes, and what it stands for. */
export interface PolicyFunction {
  readonly name: string;
  readonly family: Family;
  /** The ways to call it: `(string, int) bool`. */
  readonly signatures: readonly string[];
  /** For the documentation: what it gives. */
  readonly gives: string;
  /** Steps of a call; about the work of so many operators. */
  readonly cost: number;
  /** An expression, its value as JSON, and the facts it needs. Run by a test. */
  readonly example: readonly [expression: string, value: unknown, facts?: object];
  /** The same under the names published policies use. */
  readonly aliases?: readonly string[];
  readonly is: Meaning;
}

export type Meaning =
  /** Computed from its arguments alone. */
  | { readonly kind: 'computed'; readonly compute: Implementation }
  /** An expression with its parameters put in, by number of parameters. A variable of a macro in it ends in `_`. */
  | {
      readonly kind: 'expression';
      readonly forms: readonly { readonly parameters: readonly string[]; readonly text: string }[];
    }
  /** An expression made of the names in a list that is known at load. */
  | { readonly kind: 'listed'; readonly shape: RegExp; text(names: readonly string[]): string }
  /** A fact, named by arguments that are texts known at load. */
  | {
      readonly kind: 'fact';
      readonly choices: readonly (readonly string[] | RegExp)[];
      nameOf(...args: readonly string[]): string;
    };

export function computed(compute: Implementation): Meaning {
  return { kind: 'computed', compute };
}

/** `['zone', 'request.time.getHours(zone)']`: the parameters, then the expression. */
export function expression(...forms: readonly (readonly string[])[]): Meaning {
  return {
    kind: 'expression',
    forms: forms.map((form) => ({ parameters: form.slice(0, -1), text: form.at(-1) ?? '' })),
  };
}

export function listed(shape: RegExp, text: (names: readonly string[]) => string): Meaning {
  return { kind: 'listed', shape, text };
}

export function fact(
  choices: readonly (readonly string[] | RegExp)[],
  nameOf: (...args: readonly string[]) => string,
): Meaning {
  return { kind: 'fact', choices, nameOf };
}
