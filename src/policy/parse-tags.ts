import type { Json } from './policy.ts';
import type { Reader } from './reader.ts';
import type { Path } from './source.ts';

/** Tags: short names, safe in headers and metrics. */
export function readTags(value: Json | undefined, path: Path, reader: Reader): readonly string[] | undefined {
  const tags = reader.texts(value, path, 100);
  for (const [i, tag] of (tags ?? []).entries()) {
    if (!/^[\w.:/-]{1,100}$/.test(tag))
      reader.fault([...path, i], 'a tag has up to 100 letters, digits and any of _ . : / -');
  }
  return tags;
}

/** Names of counters: what Prometheus takes, in small letters. */
export function readMetrics(value: Json | undefined, path: Path, reader: Reader): readonly string[] | undefined {
  const names = reader.texts(value, path, 10);
  for (const [i, name] of (names ?? []).entries()) {
    if (!/^[a-z][a-z0-9_]{0,63}$/.test(name))
      reader.fault([...path, i], 'a counter has a name of up to 64 small letters, digits and _');
  }
  return names;
}
