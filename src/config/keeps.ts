import { isRecord, type Shape } from './shape.ts';

const dateTime = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

/** What a text of a format must be. The secret formats are judged while references are expanded: here any text will do. */
export const formats: Readonly<Record<string, (text: string) => boolean>> = {
  secret: () => true,
  'secret-or-hash': () => true,
  'secret-url': () => true,
  'date-time': (text) => dateTime.test(text) && !Number.isNaN(Date.parse(text)),
};

/**
 * Whether a value surely keeps to a schema: false where it does not, and where the schema says something that is not
 * known here. To walk a schema once takes little beside compiling it, which nearly every document can do without: only
 * what is wrong with one is for the compiled schema to say.
 */
export function keeps(schema: Shape, value: unknown): boolean {
  return Object.entries(schema).every(([keyword, rule]) => keepsRule(schema, keyword, rule, value));
}

function keepsRule(schema: Shape, keyword: string, rule: unknown, value: unknown): boolean {
  switch (keyword) {
    case 'description':
    case 'default':
      return true;
    case 'type':
      return isOfType(rule, value);
    case 'const':
      return typeof rule === 'string' && value === rule;
    case 'enum':
      return typeof value !== 'object' && (rule as readonly unknown[]).includes(value);
    case 'anyOf':
      return (rule as readonly Shape[]).some((option) => keeps(option, value));
    case 'minLength':
      return typeof value !== 'string' || [...value].length >= Number(rule);
    case 'maxLength':
      return typeof value !== 'string' || [...value].length <= Number(rule);
    case 'pattern':
      return typeof value !== 'string' || new RegExp(String(rule), 'u').test(value);
    case 'format':
      return typeof value !== 'string' || formats[String(rule)]?.(value) === true;
    case 'minimum':
      return typeof value !== 'number' || value >= Number(rule);
    case 'maximum':
      return typeof value !== 'number' || value <= Number(rule);
    case 'exclusiveMinimum':
      return typeof value !== 'number' || value > Number(rule);
    case 'minItems':
      return !Array.isArray(value) || value.length >= Number(rule);
    case 'maxItems':
      return !Array.isArray(value) || value.length <= Number(rule);
    case 'items':
      return !Array.isArray(value) || value.every((item) => keeps(rule as Shape, item));
    case 'required':
      return !isRecord(value) || (rule as readonly string[]).every((key) => Object.hasOwn(value, key));
    case 'properties':
      return !isRecord(value) || Object.keys(value).every((key) => keepsProperty(schema, key, value[key]));
    case 'patternProperties':
    case 'additionalProperties':
      // Judged with the properties, or here where there are none.
      return (
        schema.properties !== undefined ||
        !isRecord(value) ||
        Object.keys(value).every((key) => keepsProperty(schema, key, value[key]))
      );
    default:
      return false;
  }
}

/** A property's value keeps to all that is said of its name. */
function keepsProperty(schema: Shape, key: string, value: unknown): boolean {
  const { properties = {}, patternProperties = {}, additionalProperties = true } = schema;
  const own = Object.hasOwn(properties, key) ? properties[key] : undefined;
  const patterned = Object.entries(patternProperties).filter(([pattern]) => new RegExp(pattern, 'u').test(key));
  if (own === undefined && patterned.length === 0) {
    return typeof additionalProperties === 'boolean' ? additionalProperties : keeps(additionalProperties, value);
  }
  return (own === undefined || keeps(own, value)) && patterned.every(([, shape]) => keeps(shape, value));
}

function isOfType(type: unknown, value: unknown): boolean {
  switch (type) {
    case 'object':
      return isRecord(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case 'number':
      return Number.isFinite(value);
    case 'string':
    case 'boolean':
      return typeof value === type;
    default:
      return false;
  }
}
