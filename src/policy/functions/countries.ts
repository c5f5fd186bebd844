import { computed, type PolicyFunction } from './function.ts';

const family = 'jurisdiction';
const setOf = (codes: string) => new Set(codes.split(' '));
const eu = setOf('AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE');
const eea = new Set([...eu, ...setOf('IS LI NO')]);
/** Under embargo of the United States as a whole, or heavily restricted by the European Union as well. */
const restricted = setOf('CU IR KP SY');
const among = (codes: ReadonlySet<string>) => (country: unknown) =>
  typeof country === 'string' ? codes.has(country.toUpperCase()) : undefined;

/** Countries by their two letters of ISO 3166. */
export const countryFunctions: readonly PolicyFunction[] = [
  {
    name: 'isEU',
    family,
    signatures: ['(string) bool'],
    gives: 'whether a country is a member of the European Union',
    cost: 2,
    aliases: ['IsEU', 'IsEUCountry', 'isEu'],
    example: ['isEU(request.country)', true, { request: { country: 'AT' } }],
    is: computed(among(eu)),
  },
  {
    name: 'isEEA',
    family,
    signatures: ['(string) bool'],
    gives: 'whether it is in the European Economic Area',
    cost: 2,
    aliases: ['IsEEA', 'IsGDPRCountry'],
    example: ['isEEA("NO")', true],
    is: computed(among(eea)),
  },
  {
    name: 'isRestrictedCountry',
    family,
    signatures: ['(string) bool', '(string, list(string)) bool'],
    gives: 'whether a country is under a general embargo (CU, IR, KP, SY), or in a list of your own',
    cost: 2,
    aliases: ['IsRestrictedCountry', 'IsSanctionedCountry'],
    example: ['isRestrictedCountry("kp")', true],
    is: computed((country, own) =>
      Array.isArray(own)
        ? typeof country === 'string'
          ? own.includes(country.toUpperCase())
          : undefined
        : among(restricted)(country),
    ),
  },
];
