import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { unsupported } from '../../src/config/unsupported.ts';
import { publishedSchema } from '../../src/config.ts';
import { families } from '../../src/observe/metrics/families.ts';
import { callCost } from '../../src/policy/cel/cost.ts';
import { signatures } from '../../src/policy/cel/signatures.ts';
import { typeText } from '../../src/policy/cel/types.ts';
import { policyFunctions } from '../../src/policy/functions/catalog.ts';
import { factNames, factOf, parsePolicies } from '../../src/policy/index.ts';
import { railByName } from '../../src/rails/index.ts';
import { macroExamples, standardExamples } from '../policy/standard-functions.ts';
import { root } from './blocks.ts';

/** A JSON Schema, as far as a page tells of it. */
interface Shape {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly format?: string;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly patternProperties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape;
  readonly anyOf?: readonly Shape[];
}

const row = (...cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
const table = (heads: readonly string[], rows: readonly (readonly string[])[]) =>
  [row(...heads), row(...heads.map(() => '---')), ...rows.map((cells) => row(...cells))].join('\n');
const code = (text: string) => `\`${text}\``;

/** Every key of `gateway.yaml` that takes a value, from the schema that validates it. What comes again is told once. */
function configuration(): string {
  const rows: string[][] = [];
  const told = new Map<string, string>();
  const visit = (shape: Shape, path: string): void => {
    const lists = shape.items?.anyOf?.find(({ properties }) => properties !== undefined) ?? shape.items;
    const inner = lists?.properties === undefined ? shape : lists;
    const members = Object.entries(inner.properties ?? {});
    const named = Object.values(inner.patternProperties ?? {});
    const below = inner === shape ? path : `${path}[]`;
    // Beside keys with more to say there may be keys alone.
    if (members.length === 0 ? named.length === 0 : shape.items?.anyOf !== undefined) rows.push(leaf(path, shape));
    const form = JSON.stringify(inner);
    const before = told.get(form);
    if (before !== undefined && members.length > 0) {
      rows.push([code(below), '', '', `as ${code(before)}`]);
      return;
    }
    told.set(form, below);
    for (const [key, member] of members) visit(member, below === '' ? key : `${below}.${key}`);
    for (const member of named) visit(member, `${below}.<name>`);
  };
  visit(publishedSchema() as Shape, '');
  return table(['key', 'takes', 'default', ''], rows);
}

function leaf(path: string, shape: Shape): string[] {
  const later = unsupported.find((one) => `${path}.`.startsWith(`${one.path.join('.')}.`));
  const said = /not supported/i.test(shape.description ?? '') || later === undefined;
  const notes = [shape.description, said ? undefined : `not supported yet: ${later.instead}`];
  const usual = shape.default === undefined ? '?' : code(JSON.stringify(shape.default));
  return [code(path), valuesOf(shape), usual, notes.filter((note) => note !== undefined).join('; ')];
}

const nouns: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'whole number',
  number: 'number',
  boolean: 'true, false',
  array: 'list',
};

function valuesOf(shape: Shape): string {
  // Beside a number or a boolean stands the reference that may take its place.
  const [own = shape, ...others] = flat(shape);
  const words = others.filter((one) => one.const !== undefined).map((one) => `, ${code(String(one.const))}`);
  if (own.enum !== undefined) return own.enum.map((value) => code(String(value))).join(' ');
  if (own.format?.startsWith('secret')) return own.format === 'secret-url' ? 'address' : 'reference';
  const { minimum, maximum } = own;
  const range = minimum !== undefined && maximum !== undefined ? ` ${minimum} to ${maximum}` : '';
  return `${nouns[own.type ?? ''] ?? 'value'}${range}${words.join('')}`;
}

const flat = (shape: Shape): readonly Shape[] => shape.anyOf?.flatMap(flat) ?? [shape];

function providers(): string {
  const folder = join(root, 'providers');
  const rows = readdirSync(folder).map((name) => {
    const { id, format, enabled_if, models } = parse(readFileSync(join(folder, name), 'utf8')) as {
      readonly id: string;
      readonly format: string;
      readonly enabled_if?: string;
      readonly models: Readonly<Record<string, object>>;
    };
    const variable = /\$\{(\w+)/.exec(enabled_if ?? '')?.[1];
    const names = Object.keys(models).filter((model) => !model.includes('*'));
    const any = names.length < Object.keys(models).length;
    const told = [...(names.length > 0 ? [String(names.length)] : []), ...(any ? ['any name'] : [])].join(', and ');
    return [code(id), code(format), variable === undefined ? 'always' : code(variable), told];
  });
  return table(['provider', 'format', 'on when set', 'models'], rows);
}

function facts(): string {
  const groups = new Map<string, string[]>();
  for (const name of factNames()) {
    const fact = factOf(name);
    if (fact?.name !== name) continue;
    const [group = '', second = '', third] = name.split('.');
    const head = third === undefined ? group : `${group}.${group === 'rails' ? '<rail>' : '<scope>'}`;
    const member = `${third ?? second} (${fact.type})`;
    const known = groups.get(head) ?? [];
    groups.set(head, known);
    if (!known.includes(member)) known.push(member);
  }
  const rows = [...groups].map(([group, members]) => [code(group), members.join(', ')]);
  return table(['', 'facts, and their types'], [...rows, [code('metadata'), 'any name (any)']]);
}

function types(rail: string): string {
  return (railByName(rail)?.types ?? []).map(code).join(' ');
}

function metrics(): string {
  const rows = Object.values(families()).map((family) => {
    const { name, help, labelNames } = family;
    return [code(name), family.get().type, labelNames.map(code).join(' '), help];
  });
  return table(['metric', 'type', 'labels', ''], rows);
}

/** The policies in the box: where each is enabled, and what it does, in its own words. */
function library(): string {
  const folder = join(root, 'policies');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.yaml') && !file.endsWith('.policytest.yaml'))
    .sort();
  const rows = files.flatMap((file) =>
    parsePolicies(readFileSync(join(folder, file), 'utf8'), { file }).map(({ metadata }) => [
      code(file.replace(/\.yaml$/, '')),
      `**${metadata.name ?? metadata.id}.** ${metadata.description ?? ''}`,
    ]),
  );
  return table(['enabled as', 'does'], rows);
}

const kinds: Readonly<Record<string, string>> = {
  texts: 'Texts',
  numbers: 'Numbers',
  lists: 'Lists',
  dates: 'Dates and times',
  networks: 'Networks',
  hashing: 'Hashing',
  models: 'Models',
  usage: 'Use and budgets',
  content: 'Content',
  callers: 'Callers',
  jurisdiction: 'Jurisdiction',
};
const example = (text: string, value: unknown) => `${code(text)} is ${code(JSON.stringify(value))}`;
// In policies numbers are one kind.
const ways = (name: string, list: readonly string[]) =>
  list.map((one) => code(`${name}${one.replaceAll(/\b(int|uint|double)\b/g, 'number')}`)).join(' ');

/** The functions of policies, by family. */
function functions(): string {
  const heads = ['', 'gives', 'cost', 'example', 'also called'];
  const part = ([family, title]: readonly [string, string]) => {
    const rows = policyFunctions
      .filter((one) => one.family === family)
      .map(({ name, signatures: list, gives, cost, example: [text, value], aliases = [] }) => [
        ways(name, list),
        gives,
        String(cost),
        example(text, value),
        aliases.map(code).join(' '),
      ]);
    return `### ${title}\n\n${table(heads, rows)}`;
  };
  return Object.entries(kinds).map(part).join('\n\n');
}

/** CEL's own library and macros, as policies have them. */
function standard(): string {
  const rows = Object.entries(standardExamples).map(([name, [text, value]]) => {
    const list = (signatures('policy').get(name) ?? []).map(({ method, parameters, result }) => {
      const [first, ...rest] = parameters.map(typeText);
      return method
        ? `${first}.${name}(${rest.join(', ')}) ${typeText(result)}`
        : `${name}(${parameters.map(typeText).join(', ')}) ${typeText(result)}`;
    });
    const told = list.length === 0 ? [`${name}(numbers) double`] : list;
    return [
      told.map((one) => code(one.replaceAll(/\bdouble\b(?!\()/g, 'number'))).join(' '),
      String(callCost(name)),
      example(text, value),
    ];
  });
  return table(['', 'cost', 'example'], rows);
}

function macros(): string {
  return table(
    ['', 'gives', 'example'],
    macroExamples.map(([macro, gives, text, value]) => [code(macro), gives, example(text, value)]),
  );
}

/** What pages hold between their marks: made from the code, so that it cannot tell something else. */
export const generated: Readonly<Record<string, () => string>> = {
  configuration,
  providers,
  facts,
  functions,
  standard,
  macros,
  metrics,
  library,
  secrets: () => types('secrets'),
  injection: () => types('injection'),
};
