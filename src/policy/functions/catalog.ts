import { callerFunctions } from './callers.ts';
import { contentFunctions } from './content.ts';
import { countryFunctions } from './countries.ts';
import { dateFunctions } from './dates.ts';
import type { PolicyFunction } from './function.ts';
import { languageFunctions } from './languages.ts';
import { listFunctions } from './lists.ts';
import { networkFunctions } from './networks.ts';
import { numberFunctions } from './numbers.ts';
import { railFunctions } from './rails.ts';
import { textFunctions } from './texts.ts';
import { usageFunctions } from './usage.ts';

/** What is in the box, beside CEL's own library. */
export const policyFunctions: readonly PolicyFunction[] = [
  ...textFunctions,
  ...numberFunctions,
  ...listFunctions,
  ...dateFunctions,
  ...networkFunctions,
  ...contentFunctions,
  ...languageFunctions,
  ...railFunctions,
  ...usageFunctions,
  ...callerFunctions,
  ...countryFunctions,
];

const byName: ReadonlyMap<string, PolicyFunction> = new Map(
  policyFunctions.flatMap((one) => [one.name, ...(one.aliases ?? [])].map((name) => [name, one] as const)),
);

/** A function by its name, or by one that published policies use. */
export function functionOf(name: string): PolicyFunction | undefined {
  return byName.get(name);
}

const names: readonly string[] = [...byName.keys()];

/** Every name, aliases included. */
export function functionNames(): readonly string[] {
  return names;
}
