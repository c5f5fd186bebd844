import { ExpressionError } from './cel/expression.ts';
import { factsRead, leavesOf } from './node.ts';
import type { Inclusion, Json, PolicyRef } from './policy.ts';
import { defined, isObject, type JsonObject, type Reader } from './reader.ts';
import type { Path } from './source.ts';
import type { Params } from './template.ts';
import { versionRange } from './version-range.ts';
import { compileWhen, whenLimits } from './when.ts';

const inclusions_max = 100;
const refShape = /^([A-Za-z0-9][A-Za-z0-9._-]{0,127}\/)?[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** `extends: base`, `base@^1.2.0`, or `{ policy: base, version: ^1.2.0 }`. */
export function readBase(value: Json | undefined, reader: Reader): PolicyRef | undefined {
  return value === undefined ? undefined : readRef(value, ['extends'], reader, []);
}

/** `include`: one or a list of what `extends` takes, with `priority_offset` and `when`. */
export function readInclusions(value: Json | undefined, reader: Reader): readonly Inclusion[] | undefined {
  if (value === undefined) return undefined;
  const list: readonly Json[] = Array.isArray(value) ? value : [value];
  if (list.length === 0 || list.length > inclusions_max) {
    reader.fault(['include'], `include must name 1 to ${inclusions_max} policies`);
    return undefined;
  }
  return list.flatMap((item, i) => {
    const path = Array.isArray(value) ? ['include', i] : ['include'];
    const ref = readRef(item, path, reader, ['priority_offset', 'when']);
    const given: JsonObject = isObject(item) ? item : {};
    const priority_offset = reader.integer(given.priority_offset, [...path, 'priority_offset'], -1_000_000, 1_000_000);
    const when = reader.text(given.when, [...path, 'when'], { max: whenLimits.characters });
    return ref === undefined ? [] : [defined({ ...ref, priority_offset, when })];
  });
}

function readRef(value: Json, path: Path, reader: Reader, more: readonly string[]): PolicyRef | undefined {
  const given = typeof value === 'string' ? split(value) : reader.object(value, path, ['policy', 'version', ...more]);
  const place = isObject(value) ? [...path, 'policy'] : path;
  const policy = reader.text(given.policy, place, {
    like: refShape,
    what: "a policy's id or namespace/id, and where a version matters @ and its range",
  });
  if (isObject(value) && given.policy === undefined) reader.fault(path, 'name the policy');
  const version = reader.text(given.version, isObject(value) ? [...path, 'version'] : path, { max: 100 });
  if (version !== undefined && versionRange(version) === undefined)
    reader.fault(isObject(value) ? [...path, 'version'] : path, `${version} is no range of versions, such as ^1.2.0`);
  return policy === undefined ? undefined : defined({ policy, version });
}

function split(text: string): JsonObject {
  const at = text.indexOf('@');
  return at < 0 ? { policy: text } : { policy: text.slice(0, at), version: text.slice(at + 1) };
}

/** Checks the `when` of an inclusion: it guards rules of every phase, so it may read the request alone. */
export function checkSurrounding(when: string | undefined, path: Path, reader: Reader, params: Params): void {
  if (when === undefined) return;
  try {
    for (const leaf of leavesOf(compileWhen(when, 'request', params))) {
      for (const { name } of factsRead(leaf)) {
        if (name.startsWith('rails.'))
          reader.fault(
            path,
            `${name} is found out in a request and in a reply: include asks for facts of the request alone`,
          );
      }
    }
  } catch (thrown) {
    if (!(thrown instanceof ExpressionError)) throw thrown;
    for (const { at, message, suggestion } of thrown.faults) reader.fault(path, message, suggestion, 'value', at);
  }
}
