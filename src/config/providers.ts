import { stat } from 'node:fs/promises';
import { type ProviderSettings, providerSchema } from '../providers/index.ts';
import { readSource, type Source } from './document.ts';
import { settle } from './expand.ts';
import { basePath, filesBelow, type Reading, readText, reasonOf, shownPath } from './files.ts';
import type { Problem } from './problem.ts';
import { expandReferences, type References } from './references.ts';
import { seal } from './seal.ts';
import { isRecord } from './shape.ts';

/** A provider's settings and the file they stand in. */
export interface ReadProvider {
  readonly provider: ProviderSettings;
  readonly on: boolean;
  readonly source: Source;
}

export interface LoadedProviders {
  /** All that were read, those that are off as well. */
  readonly read: readonly ReadProvider[];
  /** Those that are on. */
  readonly providers: readonly ProviderSettings[];
  /** Ids of those whose `enabled_if` came to nothing. */
  readonly off: readonly string[];
  readonly problems: readonly Problem[];
}

/** Reads the providers of the listed files and directories. A missing or empty directory is a problem. */
export async function loadProviders(
  listed: readonly string[],
  reading: Reading,
  list: Source,
): Promise<LoadedProviders> {
  const problems: Problem[] = [];
  const read: ReadProvider[] = [];
  for (const [index, entry] of listed.entries()) {
    try {
      const files = await providerFiles(basePath(entry, reading), reading);
      if (files.length === 0) problems.push(list.problem(['providers', index], `${entry} holds no provider`));
      for (const path of files) {
        const source = readSource(shownPath(path, reading.cwd), await readText(path, reading));
        const { provider, on, found } = readProvider(source, reading);
        problems.push(...found);
        if (provider !== undefined) read.push({ provider, on, source });
      }
    } catch (error) {
      problems.push(list.problem(['providers', index], `${entry} ${reasonOf(error)}`));
    }
  }
  const first = new Map<string, Source>();
  for (const { provider, source } of read) {
    const other = first.get(provider.id);
    if (other === undefined) first.set(provider.id, source);
    else problems.push(source.problem(['id'], `the provider '${provider.id}' is defined in ${other.file} as well`));
  }
  return {
    read,
    providers: read.filter(({ on }) => on).map(({ provider }) => provider),
    off: read.filter(({ on }) => !on).map(({ provider }) => provider.id),
    problems,
  };
}

async function providerFiles(path: string, reading: Reading): Promise<readonly string[]> {
  const entry = await stat(path).catch((error: unknown) => {
    reading.watched.add(path);
    throw error;
  });
  return entry.isDirectory() ? await filesBelow(path, reading) : [path];
}

function readProvider(
  source: Source,
  reading: Reading,
): { readonly provider: ProviderSettings | undefined; readonly on: boolean; readonly found: readonly Problem[] } {
  if (source.problems.length > 0) return { provider: undefined, on: false, found: source.problems };
  const references: References = {
    env: reading.env,
    base: reading.base,
    onFile: (path) => reading.watched.add(path),
  };
  const on = isOn(source.value, references);
  const { value, findings } = settle(source.value, providerSchema, { ...references, lenient: !on });
  const found = findings.map(({ path, message, at }) => source.problem(path, message, at));
  return { provider: found.length > 0 ? undefined : seal<ProviderSettings>(value, providerSchema), on, found };
}

/** A provider without `enabled_if` is on; one whose condition is empty or false is off, and needs none of its references. */
function isOn(value: unknown, references: References): boolean {
  const condition = isRecord(value) ? value.enabled_if : undefined;
  if (typeof condition !== 'string') return condition !== false;
  const text = expandReferences(condition, { ...references, lenient: true }).text.trim();
  return text !== '' && text !== 'false';
}
