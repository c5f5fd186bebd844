import { callerFunctions } from './callers.ts';
import { contentFunctions } from './content.ts';
import { countryFunctions } from './countries.ts';
import { dateFunctions } from './dates.ts';
import type { PolicyFunction } from './function.ts';
import { languageFunctions } from './languages.ts';
import { listFunctions } from './lists.ts';
import { modelFunctions } from './models.ts';
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
  ...modelFunctions,
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

const judgesToxicity =
  'no rail here measures toxicity: let a module of your own judge the text (wasm: { module, inputs: [llm.prompt] })';

/** Functions that published policies call and that nothing here could compute. */
const missing: ReadonlyMap<string, string> = new Map(
  ['toxicityScore', 'ToxicityScore', 'GetToxicityScore', 'DetectToxicity', 'containsToxicity'].map(
    (name) => [name, `${name} cannot be computed: ${judgesToxicity}`] as const,
  ),
);

/** Why a function that other policy engines have is not here; undefined for any other name. */
export function missingFunction(name: string): string | undefined {
  return missing.get(name);
}

const names: readonly string[] = [...byName.keys()];

/** Every name, aliases included. */
export function functionNames(): readonly string[] {
  return names;
}
