/** A version of a policy, as it was published. */
export interface VersionView {
  /** Counts up with each publication of this policy, from 1. */
  readonly number: number;
  /** The policy's own semantic version. */
  readonly version: string;
  /** `sha256:...` of the canonical text. */
  readonly hash: string;
  readonly by: string;
  /** RFC 3339. */
  readonly at: string;
  readonly change_summary?: string;
  /** The number whose content this is: published by a rollback. */
  readonly rollback_of?: number;
  /** How many tests ran when it was published, and passed: none is published that fails one. */
  readonly tests?: number;
}

/** A managed policy with all its versions, the last being the newest. */
export interface Shelved {
  readonly namespace: string;
  readonly id: string;
  /** Whether the newest version is in force. */
  readonly loaded: boolean;
  readonly versions: readonly VersionView[];
}

/** What is published: one file, replaced whole, so that a change is there altogether or not at all. */
export interface Manifest {
  readonly format: 1;
  /** Counts up with each change. */
  readonly revision: number;
  readonly policies: readonly Shelved[];
}

export const nothingShelved: Manifest = { format: 1, revision: 0, policies: [] };

/** Reads a manifest. @throws Error where the text is not one. */
export function readManifest(text: string, file: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (!isManifest(value)) throw new Error(`${file} is not a list of published policies: restore it`);
  return value;
}

function isManifest(value: unknown): value is Manifest {
  if (!isObject(value) || value.format !== 1 || !isCount(value.revision) || !Array.isArray(value.policies))
    return false;
  return value.policies.every(
    (one: unknown) =>
      isObject(one) &&
      [one.namespace, one.id].every((text) => typeof text === 'string' && text !== '') &&
      typeof one.loaded === 'boolean' &&
      Array.isArray(one.versions) &&
      one.versions.length > 0 &&
      one.versions.every(isVersion),
  );
}

function isVersion(value: unknown): boolean {
  if (!isObject(value) || !isCount(value.number)) return false;
  const { version, hash, by, at } = value;
  return (
    [version, by, at].every((text) => typeof text === 'string') &&
    typeof hash === 'string' &&
    /^sha256:[0-9a-f]{64}$/.test(hash)
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
