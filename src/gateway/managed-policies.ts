import { join } from 'node:path';
import type { Settings } from '../config.ts';
import type { Log } from '../observe/index.ts';
import type { PolicyTexts } from '../policy/index.ts';
import { type Base, openPolicyFiles, openPolicySet, type PolicySet } from '../registry/index.ts';

/** The part of settings that is about policies. */
export interface PolicySettings extends Pick<Settings, 'policyFiles'> {
  readonly policies: Pick<Settings['policies'], 'default'>;
}

/**
 * The policies of the settings' files; `texts` keeps those whose text does not change. `check` is asked of each program
 * that is made of them. Throws `PolicyError` with every problem.
 */
export function filePolicies(
  { policyFiles, policies }: PolicySettings,
  texts: PolicyTexts,
  check?: Base['check'],
): Base {
  return { ...texts.read(policyFiles), default: policies.default, ...(check === undefined ? {} : { check }) };
}

/**
 * The policies of the configuration's files and the managed ones of the data directory. Every process of a gateway opens
 * them; what one publishes the others have within about a second, mostly at once.
 */
export function openPolicies(
  settings: PolicySettings & { readonly state: { readonly path: string } },
  texts: PolicyTexts,
  log: Log,
  check?: Base['check'],
): PolicySet {
  return openPolicySet({
    shelf: openPolicyFiles(join(settings.state.path, 'policies')),
    base: filePolicies(settings, texts, check),
    clock: Date.now,
    onProblem: ({ message }) =>
      log.error('managed policies cannot be put in force, those before stay', { state: message }),
  });
}
