import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { publishedSchema } from '../../src/config.ts';
import { families } from '../../src/observe/metrics/families.ts';
import { factNames, factOf } from '../../src/policy/index.ts';
import { railByName } from '../../src/rails/index.ts';
import { root } from './blocks.ts';

/** A JSON Schema, as far as a page tells of it. */
interface Shape {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
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

/** Every key of `gateway.yaml` that takes a value, from the schema that validates it. */
function configuration(): string {
  const rows: string[][] = [];
  walk(publishedSchema() as Shape, '', (path, shape) =>
    rows.push([
      code(path),
      valuesOf(shape),
      shape.default === undefined ? '?' : code(JSON.stringify(shape.default)),
      shape.description ?? '',
    ]),
  );
  return table(['key', 'takes', 'default', ''], rows);
}

function walk(shape: Shape, path: string, leaf: (path: string, shape: Shape) => void): void {
  const members = Object.entries(shape.properties ?? {});
  for (const [key, member] of members) walk(member, path === '' ? key : `${path}.${key}`, leaf);
  for (const member of Object.values(shape.patternProperties ?? {})) walk(member, `${path}.<name>`, leaf);
  if (members.length > 0 || shape.patternProperties !== undefined) return;
  const object = shape.items?.anyOf?.find(({ properties }) => properties !== undefined) ?? shape.items;
  if (object?.properties !== undefined) {
    // What a list of plain values may be besides is told once, at its own name.
    if (object !== shape.items) leaf(`${path}[]`, { description: shape.items?.anyOf?.[0]?.description ?? '', ...shape });
    walk(object, `${path}[]`, leaf);
  } else leaf(path, shape);
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
  const own = shape.anyOf?.[0] ?? shape;
  if (own.enum !== undefined) return own.enum.map((value) => code(String(value))).join(' ');
  if (own.format?.startsWith('secret')) return own.format === 'secret-url' ? 'address' : 'reference';
  const { minimum, maximum } = own;
  const range = minimum !== undefined && maximum !== undefined ? ` ${minimum} to ${maximum}` : '';
  return `${nouns[own.type ?? ''] ?? 'value'}${range}`;
}

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
    const { name, help, labels, type } = family as unknown as {
      readonly name: string;
      readonly help: string;
      readonly type: string;
      readonly labels: readonly string[];
    };
    return [code(name), type, labels.map(code).join(' '), help];
  });
  return table(['metric', 'type', 'labels', ''], rows);
}

/** What pages hold between their marks: made from the code, so that it cannot tell something else. */
export const generated: Readonly<Record<string, () => string>> = {
  configuration,
  providers,
  facts,
  metrics,
  secrets: () => types('secrets'),
  injection: () => types('injection'),
};
