import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  compile,
  decide,
  fmt,
  parsePolicies,
  planResponse,
  runPolicyTests,
  selectPolicies,
} from '../../src/policy/index.ts';

const root = join(import.meta.dirname, '../../policies');
const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.yaml'))
  .sort();
const policyFiles = files.filter((file) => !file.endsWith('.policytest.yaml'));
const testFiles = files.filter((file) => file.endsWith('.policytest.yaml'));
const load = (file: string) => parsePolicies(readFileSync(join(root, file), 'utf8'), { file });
const shipped = policyFiles.flatMap(load);

describe('the shipped policies', () => {
  it('load together, at least fifty of them in eight categories', () => {
    expect(compile(shipped).policies.length).toBeGreaterThanOrEqual(50);
    expect(new Set(policyFiles.map((file) => file.split('/')[0])).size).toBe(8);
  });

  it.each(policyFiles)('%s has its tests beside it', (file) => {
    expect(testFiles).toContain(file.replace('.yaml', '.policytest.yaml'));
    for (const policy of load(file)) expect(file).toContain(policy.metadata.id);
  });

  it.each(testFiles)('%s passes', (file) => {
    const report = runPolicyTests(
      readFileSync(join(root, file), 'utf8'),
      (reference) => load(join(dirname(file), reference)),
      { file },
    );
    expect(report.results.filter((result) => !result.passed)).toEqual([]);
    expect(report.passed).toBeGreaterThan(0);
  });

  it.each(policyFiles)('%s passes its tests when formatted, too', (file) => {
    const test = file.replace('.yaml', '.policytest.yaml');
    const report = runPolicyTests(readFileSync(join(root, test), 'utf8'), (reference) =>
      load(join(dirname(file), reference)).flatMap((policy) => parsePolicies(fmt(policy))),
    );
    expect(report.failed).toBe(0);
  });

  it('redact a card number in a reply and deny a prompt injection', () => {
    const program = compile(selectPolicies(shipped, ['*/*']), { default: 'allow' });
    const plan = planResponse(program, { team: { tier: 'pro' } });
    expect(plan.mode).toBe('hold_back');
    const card = plan.patterns.findIndex(
      (pattern) => pattern.kind === 'rail' && pattern.rail === 'pii' && pattern.type === 'card',
    );
    expect(plan.verdicts[card]).toMatchObject({ effect: 'redact', with: '[REDACTED:$' + '{type}]' });
    const denied = decide(program, 'request', {
      rails: { injection: { found: true, types: ['override_instructions'], score: 0.97, count: 1 } },
    });
    expect(denied).toMatchObject({ decision: 'deny', blockedByRail: true, policyId: 'prompt-injection-basic' });
  });
});
