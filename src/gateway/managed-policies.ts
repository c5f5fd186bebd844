import { join } from 'node:path';
import type { Log } from '../observe/index.ts';
import type { PolicyTexts } from '../policy/index.ts';
import { type Base, openPolicyFiles, openPolicySet, type PolicySet } from '../registry/index.ts';
import { filePolicies, type PolicySettings } from './pin.ts';

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
