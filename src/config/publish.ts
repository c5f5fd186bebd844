import { gatewaySchema } from './schema.ts';
import { isRecord } from './shape.ts';

/**
 * The JSON Schema for editors: the one that validates, and beside each number or boolean the reference that may stand
 * for it.
 */
export function publishedSchema(): object {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'LLM Policy Engine: gateway.yaml',
    ...(published(gatewaySchema) as object),
  };
}

/** The schema as the text of `config/gateway.schema.json`. */
export function publishedSchemaText(): string {
  return `${JSON.stringify(publishedSchema(), null, 2)}\n`;
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
