import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { nearest } from '../policy/index.ts';
import type { Path } from './document.ts';
import { formats, keeps } from './keeps.ts';
import { alternative, type Shape } from './shape.ts';

/** What a schema found wrong, at which path; `at` says whether the key itself is meant. */
export interface Finding {
  readonly path: Path;
  readonly at: 'key' | 'value';
  readonly message: string;
}

// A schema is compiled for few documents: making its code smaller takes longer than all of them.
const ajv = new Ajv({
  allErrors: true,
  verbose: true,
  strict: false,
  strictNumbers: true,
  validateFormats: true,
  code: { optimize: false },
});
for (const [name, judge] of Object.entries(formats)) ajv.addFormat(name, judge);

const compiled = new WeakMap<object, ValidateFunction>();

/** Every way in which a value does not keep to its schema; empty when it does. */
export function validate(schema: object, value: unknown): readonly Finding[] {
  return keeps(schema, value) ? [] : findings(schema, value);
}

/** The same, as the compiled schema tells. */
export function findings(schema: object, value: unknown): readonly Finding[] {
  let check = compiled.get(schema);
  if (check === undefined) {
    check = ajv.compile(schema);
    compiled.set(schema, check);
  }
  return check(value) ? [] : meant(check.errors ?? []).map(finding);
}

/** Of a union's errors only those of the alternative that was meant are told. */
function meant(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  let kept = [...errors];
  for (const error of errors) {
    if (error.keyword !== 'anyOf') continue;
    const index = alternative(error.parentSchema as Shape, error.data);
    const own = `${error.schemaPath}/${index}/`;
    const branches = `${error.schemaPath}/`;
    const under = (other: ErrorObject) =>
      other.schemaPath.startsWith(branches) && other.instancePath.startsWith(error.instancePath);
    const told = kept.some((other) => under(other) && other.schemaPath.startsWith(own));
    kept = kept.filter((other) => {
      if (other === error) return !told;
      return !under(other) || (told && other.schemaPath.startsWith(own));
    });
  }
  return kept;
}

function finding(error: ErrorObject): Finding {
  const path = error.instancePath.split('/').slice(1).map(pointerPart);
  const params = error.params as Readonly<Record<string, unknown>>;
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = String(params.additionalProperty);
      const known = Object.keys((error.parentSchema as Shape).properties ?? {});
      return { path: [...path, key], at: 'key', message: `unknown key '${key}'${suggestion(key, known)}` };
    }
    case 'required':
      return { path, at: 'key', message: `'${String(params.missingProperty)}' is missing` };
    case 'enum': {
      const allowed = (params.allowedValues as readonly unknown[]).map(String);
      const meantWord = typeof error.data === 'string' ? suggestion(error.data, allowed) : '';
      return { path, at: 'value', message: `must be one of ${allowed.join(', ')}${meantWord}` };
    }
    case 'const':
      return { path, at: 'value', message: `must be ${JSON.stringify(params.allowedValue)}` };
    case 'type':
      return { path, at: 'value', message: `must be ${noun(String(params.type))}` };
    case 'pattern': {
      const told = (error.parentSchema as { description?: string }).description;
      const rule = `must match ${String(params.pattern)}`;
      return { path, at: 'value', message: told === undefined ? rule : `${rule} (${told})` };
    }
    case 'anyOf': {
      const options = (error.schema as readonly Shape[]).map((option) =>
        option.const === undefined ? noun(option.type ?? 'value') : String(option.const),
      );
      return { path, at: 'value', message: `must be ${[...new Set(options)].join(' or ')}` };
    }
    default:
      return { path, at: 'value', message: error.message ?? 'is not valid' };
  }
}

const nouns: Readonly<Record<string, string>> = {
  object: 'a mapping',
  array: 'a list',
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
};

function noun(type: string): string {
  return nouns[type] ?? type;
}

/** `; did you mean 'x'?`, or nothing. */
function suggestion(word: string, known: readonly string[]): string {
  const like = nearest(word, known);
  return like === undefined ? '' : `; did you mean '${like}'?`;
}

function pointerPart(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}
