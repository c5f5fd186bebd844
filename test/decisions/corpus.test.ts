import { describe, expect, it } from 'vitest';
import { PolicyEngine, PolicyParser } from '../../src/index.ts';
import { decideNaive } from '../../src/policy/decide.ts';
import { compile, decide, type FactTree, fmt, parsePolicies, tellContext } from '../../src/policy/index.ts';
import { corpora, factsOf } from './corpus.ts';

describe.each(corpora.map((corpus) => [corpus.file, corpus] as const))('%s', (file, corpus) => {
  const { text } = corpus;
  const policies = parsePolicies(text, { file });
  const options = { default: corpus.default };
  const program = compile(policies, options);

  it.each(corpus.cases.map((one) => [one.name, one] as const))('%s', async (_name, one) => {
    const given = factsOf(one.facts) as FactTree;
    const { runWasm } = corpus;
    const { facts } = await tellContext(program, given, { run: runWasm });
    const phase = one.on ?? 'request';
    const decision = decide(program, phase, facts);
    expect(decision).toMatchObject(one.expect);
    // Every way to the engine says the same.
    expect(decideNaive(program, phase, facts)).toEqual(decision);
    const formatted = compile(
      policies.flatMap((policy) => parsePolicies(fmt(policy))),
      options,
    );
    expect(formatted.id).toBe(program.id);
    expect(decide(formatted, phase, facts)).toEqual(decision);
    if (phase !== 'request') return;
    const engine = new PolicyEngine({ ...options, runWasm });
    for (const policy of new PolicyParser().parseAll(text)) engine.addPolicy(policy);
    const response = await engine.evaluate({ requestId: 'r-1', context: given });
    expect(response).toMatchObject({ requestId: 'r-1', program: program.id, cached: false });
    expect(response.decision).toEqual(decision);
  });
});
