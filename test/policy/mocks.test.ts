import { describe, expect, it } from 'vitest';
import { type PolicyError, parsePolicies, runPolicyTests } from '../../src/policy/index.ts';

const tests = (when: string, mocks: string, more: string) => ({
  policy: `metadata: { id: p, version: 1.0.0 }
rules:
  - id: r
    when: ${when}
    action: { decision: deny, reason: "No." }
`,
  text: `apiVersion: llm-policy/v1
kind: PolicyTest
metadata: { name: mocks }
policies: [./p.yaml]
mocks: { functions: ${mocks} }
tests:
  - name: one
    input: { set: { llm.model: gpt-4o } }
${more}`,
});

function run({ policy, text }: ReturnType<typeof tests>) {
  return runPolicyTests(text, () => parsePolicies(policy, { file: 'p.yaml' }), { file: 'p.policytest.yaml' });
}

function problem(given: ReturnType<typeof tests>): string {
  try {
    run(given);
    return '';
  } catch (thrown) {
    return (thrown as PolicyError).message;
  }
}

const denied = '    expect: { decision: deny, by: [p/r] }\n';
const allowed = '    expect: { decision: allow }\n';

describe('what functions give in tests', () => {
  it.each([
    ['requestCount("team", "hour") > 10.0', '{ requestCount: 12 }', denied],
    ['requestCount("team", "hour") > 10.0', '{ requestCount: 9 }', allowed],
    // An alias is the function itself, on either side.
    ['GetRequestCount("team", "hour") > 10.0', '{ requestCount: 12 }', denied],
    ['requestCount("team", "hour") > 10.0', '{ GetRequestCount: 12 }', denied],
    // Of every scope the program reads.
    ['requestCount("user", "day") + requestCount("key", "minute") == 24.0', '{ requestCount: 12 }', denied],
    ['concurrentRequests("team") >= 3.0', '{ concurrentRequests: 3 }', denied],
    ['periodSpending("organization") > 5.0', '{ periodSpending: 6 }', denied],
    ['!providerHealthy("openai")', '{ providerHealthy: false }', denied],
    ['modelPrice("gpt-4.1", "output") > 5.0', '{ modelPrice: 8 }', denied],
    ['modelPrice("gpt-4.1", "output") > 5.0', '{ modelPrice: 5 }', allowed],
    ['estimateRequestCost() > 0.5', '{ estimateRequestCost: 0.6 }', denied],
    ['containsPII()', '{ containsPII: true }', denied],
    ['redactPII() == "x"', '{ redactPII: x }', denied],
    ['header("x-app") == "search"', '{ header: search }', denied],
  ])('%s with %s', (when, mocks, expected) => {
    expect(run(tests(`'${when}'`, mocks, expected))).toMatchObject({ passed: 1, failed: 0 });
  });

  it('stand where a test says nothing, and a test says otherwise', () => {
    const more = `    cases:
      - { decision: deny }
      - { set: { usage.team.requests_per_hour: 3 }, decision: allow }
`;
    const given = tests(`'requestCount("team", "hour") > 10.0'`, '{ requestCount: 12 }', more);
    expect(run(given)).toMatchObject({ passed: 2, failed: 0 });
  });

  it('may be that nobody could tell', () => {
    const more = '    expect: { decision: deny, unable: [p/r] }\n';
    const given = tests(`'errorRate("openai") > 0.5'`, '{ errorRate: { unable: lost } }', more);
    expect(run(given)).toMatchObject({ passed: 1, failed: 0 });
  });

  it.each([
    ['{ requestcount: 12 }', 'p.policytest.yaml:5:23: unknown function requestcount (did you mean requestCount?)'],
    ['{ lower: x }', 'lower is computed from its arguments: give the facts it reads instead'],
    ['{ cheapestModel: gpt-4o }', 'cheapestModel is computed from its arguments: give the facts it reads instead'],
    ['[requestCount]', 'functions must be a mapping of functions to values'],
  ])('are refused where they mean nothing: %s', (mocks, message) => {
    expect(problem(tests(`'requestCount("team", "hour") > 10.0'`, mocks, denied))).toContain(message);
  });
});
