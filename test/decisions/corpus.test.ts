import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { PolicyEngine, PolicyParser } from '../../src/index.ts';
import { decideNaive } from '../../src/policy/decide.ts';
import {
  canonicalFacts,
  compile,
  decide,
  type FactTree,
  fmt,
  type Phase,
  parsePolicies,
  Unable,
} from '../../src/policy/index.ts';

interface Case {
  name: string;
  on?: Phase;
  facts: Record<string, unknown>;
  expect: Record<string, unknown>;
}
interface Corpus {
  name: string;
  default?: 'allow' | 'deny';
  policies: unknown[];
  cases: Case[];
}

function facts(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value);
  if (entries.length === 1 && entries[0]![0] === 'unable') return new Unable(String(entries[0]![1]));
  return Object.fromEntries(entries.map(([key, member]) => [key, facts(member)]));
}

const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith('.yaml'));

describe.each(files)('%s', (file) => {
  const corpus = parse(readFileSync(join(import.meta.dirname, file), 'utf8')) as Corpus;
  const text = corpus.policies.map((policy) => stringify(policy)).join('---\n');
  const policies = parsePolicies(text, { file });
  const options = { default: corpus.default ?? 'deny' } as const;
  const program = compile(policies, options);

  it.each(corpus.cases.map((one) => [one.name, one] as const))('%s', async (_name, one) => {
    const given = facts(one.facts) as FactTree;
    const phase = one.on ?? 'request';
    const decision = decide(program, phase, canonicalFacts(given));
    expect(decision).toMatchObject(one.expect);
    // Every way to the engine says the same.
    expect(decideNaive(program, phase, canonicalFacts(given))).toEqual(decision);
    const formatted = compile(
      policies.flatMap((policy) => parsePolicies(fmt(policy))),
      options,
    );
    expect(formatted.id).toBe(program.id);
    expect(decide(formatted, phase, canonicalFacts(given))).toEqual(decision);
    if (phase !== 'request') return;
    const engine = new PolicyEngine(options);
    for (const policy of new PolicyParser().parseAll(text)) engine.addPolicy(policy);
    const response = await engine.evaluate({ requestId: 'r-1', context: given });
    expect(response).toMatchObject({ requestId: 'r-1', program: program.id, cached: false });
    expect(response.decision).toEqual(decision);
  });
});
