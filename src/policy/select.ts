import { glob } from './glob.ts';
import type { Policy } from './policy.ts';
import { nearest, PolicyError, wholeProblem } from './problem.ts';

/**
 * The policies whose path one of the patterns matches (`security/*`, `**`, `cost/free-tier-cost-cap`), in their order.
 * @throws PolicyError where a pattern matches nothing, or nothing is left: a vanished file must not mean allow.
 */
export function selectPolicies(policies: readonly Policy[], enabledPatterns: readonly string[]): readonly Policy[] {
  const paths = policies.map((policy) => policy.source?.path ?? policy.metadata.id);
  const chosen = new Set<number>();
  const problems = enabledPatterns.flatMap((pattern) => {
    const matches = glob(pattern, true);
    const found = paths.flatMap((path, i) => (matches(path) ? [i] : []));
    for (const i of found) chosen.add(i);
    if (found.length > 0) return [];
    const near = nearest(pattern, paths);
    return [
      {
        ...wholeProblem('enabled', `the pattern ${pattern} matches no policy`),
        ...(near === undefined ? {} : { suggestion: near }),
      },
    ];
  });
  if (problems.length === 0 && chosen.size === 0) problems.push(wholeProblem('enabled', 'no policy is enabled'));
  if (problems.length > 0) throw new PolicyError(problems);
  return policies.filter((_, i) => chosen.has(i));
}
