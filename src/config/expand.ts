import type { Path } from './document.ts';
import { type Expanded, expandReferences, type References } from './references.ts';
import { isRecord, propertyShape, type Shape } from './shape.ts';
import { type Finding, validate } from './validate.ts';
import { mapLeaves, withDefaults } from './walk.ts';

/** The start of a keyed hash, which may stand in a file: it opens nothing. */
export const keyedHashPrefix = 'hash:v1:';

/** A value the environment puts over the file's: it is not expanded again, and may be a secret. */
export interface Override {
  readonly path: Path;
  readonly text: string;
  /** The variable. */
  readonly name: string;
}

/** A value after references, defaults and validation. Secrets are still text here: `sealSecrets` makes them safe. */
export interface Settled {
  readonly value: unknown;
  readonly findings: readonly Finding[];
}

/**
 * References expanded, defaults filled in, the whole validated. Text that came through a reference becomes a number or
 * a boolean where the schema wants one. A value whose reference could not be resolved is told once.
 */
export function settle(
  raw: unknown,
  schema: object,
  references: References,
  overrides: readonly Override[] = [],
): Settled {
  const findings: Finding[] = [];
  const shape = schema as Shape;
  const expanded = mapLeaves(raw ?? {}, shape, (value, own, path) => {
    if (typeof value !== 'string') {
      if (value !== null && isSecretShape(own)) findings.push(literalSecret(path));
      return value;
    }
    const result = expandReferences(value, references);
    findings.push(...result.problems.map((message): Finding => ({ path, at: 'value', message })));
    if (result.problems.length === 0) findings.push(...secretFindings(value, result, own, path));
    return result.referenced ? coerced(result.text, own) : result.text;
  });
  const overridden = overrides.reduce((tree, { path, text }) => {
    return placed(tree, path, coerced(text, shapeAt(shape, path)));
  }, expanded);
  const value = withDefaults(overridden, shape);
  const told = new Set(findings.map((finding) => finding.path.join('/')));
  const further = validate(schema, value).filter((finding) => !told.has(finding.path.join('/')));
  return { value, findings: [...findings, ...further] };
}

/** The shape of what stands at a path of mappings. */
function shapeAt(shape: Shape, path: Path): Shape | undefined {
  return path.reduce<Shape | undefined>((own, key) => propertyShape(own, String(key)), shape);
}

/** A copy of a tree of mappings with one value put in. */
function placed(tree: unknown, path: Path, value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const here = isRecord(tree) ? tree : {};
  return { ...here, [key]: placed(here[key], rest, value) };
}

const secretFormats = new Set(['secret', 'secret-or-hash', 'secret-url']);

/** Whether the schema says that a value is a secret. */
export function isSecretShape(shape: Shape | undefined): boolean {
  return shape?.format !== undefined && secretFormats.has(shape.format);
}

function secretFindings(raw: string, result: Expanded, shape: Shape | undefined, path: Path): readonly Finding[] {
  if (!isSecretShape(shape) || result.bare || result.text === '') return [];
  if (shape?.format === 'secret-url') return passwordInFile(raw) ? [literalSecret(path)] : [];
  if (shape?.format === 'secret-or-hash' && !result.referenced && result.text.startsWith(keyedHashPrefix)) return [];
  return [literalSecret(path)];
}

/** An address may stand in the file, its password may not: not as it is, not beside a reference, not as a default. */
function passwordInFile(raw: string): boolean {
  const literal = raw.replaceAll(/\$\{[^}]*?(?::-([^}]*))?\}/g, (_, fallback: string | undefined) => fallback ?? '');
  return /:\/\/[^/@]*:[^/@]+@/.test(literal);
}

function literalSecret(path: Path): Finding {
  const message =
    `a secret may not stand in the file: give one reference, \${NAME} or \${file:/path}, and nothing else` +
    (path.includes('keys') ? ', or the keyed hash that `llm-policy keys create` prints' : '');
  return { path, at: 'value', message };
}

/** Text from a reference as the number or boolean the schema asks for; text that is neither stays and is refused. */
function coerced(text: string, shape: Shape | undefined): unknown {
  // Of a union the first alternative that makes something else than text of it.
  for (const option of shape?.anyOf ?? []) {
    const value = coerced(text, option);
    if (typeof value !== 'string') return value;
  }
  switch (shape?.type) {
    case 'integer':
    case 'number':
      return /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text.trim()) ? Number(text) : text;
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    default:
      return text;
  }
}
