import { fmt, type Policy, PolicyError } from '../policy/index.ts';
import type { Manifest, Shelved, VersionView } from './manifest.ts';
import { type Base, keyOf } from './policy-view.ts';

/** A change of managed policies that cannot be made: a file defines the policy, or there is no such policy or version. */
export class PolicyRefusal extends Error {
  override readonly name = 'PolicyRefusal';
  readonly reason: 'readonly' | 'unknown';

  constructor(reason: 'readonly' | 'unknown', message: string) {
    super(message);
    this.reason = reason;
  }
}

interface Who {
  readonly by: string;
  readonly at: string;
}

interface Named {
  readonly namespace: string;
  readonly id: string;
}

/** Versions kept of one policy. */
const versions_max = 10_000;

/** With these policies as new versions; the same manifest where all are in force as they are. */
export function published(
  manifest: Manifest,
  policies: readonly Policy[],
  base: Base,
  keep: (text: string) => string,
  { tests, ...who }: Who & { readonly tests?: number | undefined },
): Manifest {
  for (const { metadata } of policies) notOfFile(base, metadata);
  let next = manifest;
  for (const policy of policies) {
    const { namespace, id, version, change_summary } = policy.metadata;
    const hash = keep(fmt(policy));
    const known = find(next, { namespace, id });
    const newest = known?.versions.at(-1);
    if (known?.loaded === true && newest?.hash === hash) continue;
    const made: VersionView = {
      number: (newest?.number ?? 0) + 1,
      version,
      hash,
      ...who,
      ...(change_summary === undefined ? {} : { change_summary }),
      ...(tests === undefined ? {} : { tests }),
    };
    next = withShelved(next, { namespace, id, loaded: true, versions: appended(known, made) });
  }
  return next === manifest ? manifest : { ...next, revision: manifest.revision + 1 };
}

/** Without this policy in force; the same manifest where it is not. */
export function unloaded(manifest: Manifest, named: Named, base: Base): Manifest {
  notOfFile(base, named);
  const known = find(manifest, named);
  if (known?.loaded !== true) return manifest;
  return { ...withShelved(manifest, { ...known, loaded: false }), revision: manifest.revision + 1 };
}

/** With an old version's content as a new version, in force. */
export function rolledBack(manifest: Manifest, named: Named, number: number, base: Base, who: Who): Manifest {
  notOfFile(base, named);
  const known = find(manifest, named);
  const old = known?.versions.find((one) => one.number === number);
  if (known === undefined || old === undefined) {
    const what = known === undefined ? 'was never published' : `has no version number ${number}`;
    throw new PolicyRefusal('unknown', `The policy ${keyOf(named)} ${what}.`);
  }
  const { rollback_of: _of, ...content } = old;
  const made = { ...content, ...who, number: (known.versions.at(-1)?.number ?? 0) + 1, rollback_of: number };
  const next = withShelved(manifest, { ...known, loaded: true, versions: appended(known, made) });
  return { ...next, revision: manifest.revision + 1 };
}

/** The hash of each managed policy in force, by `namespace/id`. */
export function loadedKeys({ policies }: Manifest): ReadonlyMap<string, string> {
  return new Map(policies.filter(({ loaded }) => loaded).map((one) => [keyOf(one), one.versions.at(-1)?.hash ?? '']));
}

function appended(known: Shelved | undefined, made: VersionView): readonly VersionView[] {
  const versions = [...(known?.versions ?? []), made];
  if (versions.length <= versions_max) return versions;
  const message = `a policy keeps ${versions_max} versions, and this one has as many`;
  throw new PolicyError([{ file: made.version, line: 0, column: 0, message }]);
}

function notOfFile(base: Base, named: Named): void {
  const owner = base.policies.find(({ metadata }) => keyOf(metadata) === keyOf(named));
  if (owner === undefined) return;
  const where = owner.source?.file ?? 'a file';
  throw new PolicyRefusal('readonly', `The policy ${keyOf(named)} is defined in ${where} and is changed there.`);
}

function find({ policies }: Manifest, { namespace, id }: Named): Shelved | undefined {
  return policies.find((one) => one.namespace === namespace && one.id === id);
}

function withShelved(manifest: Manifest, shelved: Shelved): Manifest {
  const others = manifest.policies.filter((one) => keyOf(one) !== keyOf(shelved));
  const policies = [...others, shelved].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  return { ...manifest, policies };
}
