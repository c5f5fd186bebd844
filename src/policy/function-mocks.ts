import { factOf, factPath } from './facts.ts';
import { functionNames, functionOf } from './functions/catalog.ts';
import type { PolicyFunction } from './functions/function.ts';
import type { Json } from './policy.ts';
import { phases } from './policy.ts';
import { nearest } from './problem.ts';
import type { Program } from './program.ts';
import { isObject, type Reader } from './reader.ts';
import type { Path } from './source.ts';

/**
 * What functions that read the world are to give in tests, as the facts they stand for: `requestCount: 12` is every fact of
 * `requestCount` that the program reads. A function that is computed from its arguments has nothing to be replaced.
 */
export function mockedFacts(
  value: Json | undefined,
  path: Path,
  program: Program,
  reader: Reader,
): readonly (readonly [fact: string, value: Json])[] {
  if (value === undefined) return [];
  if (!isObject(value)) {
    reader.fault(path, 'functions must be a mapping of functions to values');
    return [];
  }
  const read = [...new Set(phases.flatMap((phase) => [...program.needs(phase).facts]))];
  return Object.entries(value).flatMap(([name, given]) => {
    const known = functionOf(name);
    const place = [...path, name];
    if (known === undefined) {
      reader.fault(place, `unknown function ${name}`, nearest(name, functionNames()), 'key');
      return [];
    }
    const facts = standsFor(known, read);
    if (facts === undefined) {
      reader.fault(place, `${name} is computed from its arguments: give the facts it reads instead`, undefined, 'key');
      return [];
    }
    return facts.map((fact) => [fact, given] as const);
  });
}

/** The facts of those read that a function stands for; undefined for one that is computed. */
function standsFor({ is }: PolicyFunction, read: readonly string[]): readonly string[] | undefined {
  switch (is.kind) {
    case 'computed':
    case 'listed':
      return undefined;
    case 'expression': {
      const texts = is.forms.filter(({ parameters }) => parameters.length === 0).map(({ text }) => text);
      const facts = texts.filter((text) => factOf(text) !== undefined);
      return facts.length === 0 ? undefined : facts;
    }
    case 'fact':
      return read.filter((fact) => {
        const parts = factPath(fact);
        const args = is.choices.map((choice) =>
          choice instanceof RegExp ? parts.slice(1) : choice.filter((one) => fact.includes(one)),
        );
        return combinations(args).some((one) => is.nameOf(...one) === fact);
      });
  }
}

function combinations(lists: readonly (readonly string[])[]): readonly (readonly string[])[] {
  return lists.reduce<readonly (readonly string[])[]>(
    (made, list) => made.flatMap((one) => list.map((item) => [...one, item])),
    [[]],
  );
}
