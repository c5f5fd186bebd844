import { policySchema } from '../policy/index.ts';
import { providerSchema } from '../providers/index.ts';
import { pdpSchema } from './pdp.ts';
import { gatewaySchema } from './schema.ts';
import { isRecord } from './shape.ts';

const described = (title: string, schema: object) => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: `LLM Policy Engine: ${title}`,
  ...(published(schema) as object),
});

/** Schemas by the kind of file they are for. Policies hold no references, so theirs is told as it is. */
const schemas = {
  gateway: () => described('gateway.yaml', gatewaySchema),
  pdp: () => described('pdp.yaml', pdpSchema),
  provider: () => described('a file of providers/', providerSchema),
  policy: () => policySchema,
} as const satisfies Readonly<Record<string, () => object>>;

/**
 * The JSON Schema for editors: the one that validates, and beside each number or boolean the reference that may stand
 * for it.
 */
export function publishedSchema(name: keyof typeof schemas = 'gateway'): object {
  return schemas[name]();
}

/** The schema as the text of `config/gateway.schema.json` and its siblings: indented, short lists on one line. */
export function publishedSchemaText(name: keyof typeof schemas = 'gateway'): string {
  return `${indented(publishedSchema(name), '', 0)}\n`;
}

const widthMax = 120;

/** JSON as formatters leave it: a list of plain values stays on one line where it fits beside its key (`taken` wide). */
function indented(value: unknown, indent: string, taken: number): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const deeper = `${indent}  `;
  if (!Array.isArray(value)) {
    const members = Object.entries(value).map(([key, member]) => {
      const name = `${deeper}${JSON.stringify(key)}: `;
      return name + indented(member, deeper, name.length);
    });
    return members.length === 0 ? '{}' : `{\n${members.join(',\n')}\n${indent}}`;
  }
  const plain = value.every((item) => typeof item !== 'object' || item === null);
  const line = `[${value.map((item) => JSON.stringify(item)).join(', ')}]`;
  if (plain && taken + line.length + 1 <= widthMax) return line;
  const items = value.map((item) => deeper + indented(item, deeper, deeper.length));
  return `[\n${items.join(',\n')}\n${indent}]`;
}

const reference = { type: 'string', pattern: '\\$\\{[^}]+\\}' };

function published(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(published);
  if (!isRecord(schema)) return schema;
  // Whether a section is there is the file's choice, not the schema's: every key with a default may be left out.
  const copy: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'required') {
      const needed = requiredOf(schema, value as readonly string[]);
      if (needed.length > 0) copy[key] = needed;
    } else if (key === 'properties' || key === 'patternProperties') {
      // Names, not keywords: one of them may be called `default`.
      copy[key] = Object.fromEntries(Object.entries(value as object).map(([name, one]) => [name, published(one)]));
    } else {
      copy[key] = ['default', 'const', 'enum'].includes(key) ? value : published(value);
    }
  }
  if (!['integer', 'number', 'boolean'].includes(String(schema.type))) return copy;
  const { default: value, description, ...rule } = copy;
  return {
    ...(description === undefined ? {} : { description }),
    ...(value === undefined ? {} : { default: value }),
    anyOf: [rule, reference],
  };
}

function requiredOf(schema: Record<string, unknown>, required: readonly string[]): readonly string[] {
  const properties = isRecord(schema.properties) ? schema.properties : {};
  return required.filter((key) => {
    const property = properties[key];
    return !(isRecord(property) && 'default' in property);
  });
}
