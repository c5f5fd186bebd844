import type { Json } from './policy.ts';

interface KnownRail {
  /** Undefined: the types are open-ended. */
  readonly types?: readonly string[];
  /** Whether its findings can be found in a stream, piece by piece. */
  readonly streams: boolean;
}

/** Rails a policy may read. `patterns` are findings of a policy's own expressions and literals. */
const rails: Readonly<Record<string, KnownRail>> = {
  pii: { types: ['card', 'iban', 'us_ssn', 'email', 'phone', 'ip'], streams: true },
  secrets: { streams: true },
  injection: { streams: false },
  patterns: { streams: false },
};

/** Types as published policies spell them. */
const typeAliases: Readonly<Record<string, string>> = { credit_card: 'card', ssn: 'us_ssn', ip_address: 'ip' };

export const railNames: readonly string[] = Object.keys(rails);

export function isRail(name: string): boolean {
  return Object.hasOwn(rails, name);
}

/** The types a rail reports, or undefined where they are open-ended. */
export function railTypes(rail: string): readonly string[] | undefined {
  return isRail(rail) ? rails[rail]?.types : undefined;
}

/** Why a rail cannot report a type; undefined where it can. */
export function typeMisfit(rail: string, type: string): string | undefined {
  const known = railTypes(rail);
  if (known === undefined || known.includes(canonicalType(rail, type))) return undefined;
  return `the rail ${rail} has no type ${type}; it has ${known.join(', ')}`;
}

export function railStreams(rail: string): boolean {
  return isRail(rail) && rails[rail]?.streams === true;
}

/** The type's own name, where it was spelled as published policies do. */
export function canonicalType(rail: string, type: string): string {
  return rail === 'pii' && Object.hasOwn(typeAliases, type) ? (typeAliases[type] ?? type) : type;
}

/** A value compared with `rails.<rail>.types`, its types under their own names. Any other fact's value stays as it is. */
export function canonicalTypes(fact: string, value: Json): Json {
  const rail = fact.endsWith('.types') ? railOf(fact) : undefined;
  if (rail === undefined) return value;
  if (typeof value === 'string') return canonicalType(rail, value);
  return Array.isArray(value) ? value.map((item: Json) => canonicalTypes(fact, item)) : value;
}

/** `rails.pii.types` -> `pii`; undefined where the fact is not a rail's. */
export function railOf(fact: string): string | undefined {
  return fact.startsWith('rails.') ? fact.split('.')[1] : undefined;
}
