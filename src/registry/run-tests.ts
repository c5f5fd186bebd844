import { type Policy, PolicyError, type PolicyTestReport, runPolicyTests } from '../policy/index.ts';

/**
 * Runs texts of policy tests on policies that are at hand: what a test file calls `./cost/free-tier-cap.yaml` is the
 * policy `free-tier-cap`, in any namespace.
 * @throws PolicyError where a text is no test file, or names a policy that is not at hand.
 */
export function testPolicies(tests: readonly string[], policies: readonly Policy[]): readonly PolicyTestReport[] {
  const named = (reference: string): readonly Policy[] => {
    const id = (reference.split('/').at(-1) ?? '').replace(/\.(ya?ml|json)$/i, '');
    const found = policies.filter(({ metadata }) => metadata.id === id);
    if (found.length > 0) return found;
    const message = `the tests name ${reference}, and there is no policy ${id}`;
    throw new PolicyError([{ file: 'tests', line: 0, column: 0, message }]);
  };
  return tests.map((text, at) => runPolicyTests(text, named, { file: tests.length === 1 ? 'tests' : `tests[${at}]` }));
}
