import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideNaive } from '../../src/policy/decide.ts';
import {
  checkPolicy,
  compile,
  type Decision,
  decide,
  type FactTree,
  type Policy,
  PolicyError,
  type Program,
  recordFacts,
  Unable,
  type WasmAnswer,
  wasmCalls,
  withFact,
  withVerdicts,
} from '../../src/policy/index.ts';
import { facts, policies } from './arbitrary.ts';

/** Policies with rules of modules among others. */
const ofModules = fc.array(
  fc.record({
    priority: fc.constantFrom(0, 1, 2),
    status: fc.constantFrom('active', 'active', 'shadow'),
    on_error: fc.constantFrom(undefined, 'deny', 'skip', 'warn'),
    trusted: fc.constantFrom(true, false, false),
    guard: fc.option(fc.constantFrom('free', 'pro'), { nil: undefined }),
    action: fc.constantFrom<object>(
      { decision: 'deny' },
      { decision: 'deny', status: 451 },
      { decision: 'warn' },
      { decision: 'allow', final: true },
      { decision: 'modify', cap_max_tokens: 5 },
      { decision: 'dryrun', action: { decision: 'deny' } },
    ),
    more: fc.constantFrom<object>({}, {}, {}, { tags: ['t'] }, { metrics: ['m'] }, { audit: { alert: true } }),
  }),
  { minLength: 1, maxLength: 4 },
);

const sets = fc.tuple(policies(), ofModules).map(([others, modules]): readonly Policy[] => [
  ...others,
  ...modules.map(({ priority, status, on_error, trusted, guard, action, more }, i) =>
    checkPolicy({
      metadata: { id: `m${i}`, version: '1.0.0', priority },
      status,
      ...(on_error === undefined ? {} : { on_error }),
      ...(guard === undefined ? {} : { applies_to: { 'team.tier': [guard] } }),
      rules: [{ id: 'r', wasm: { module: 'r.wasm', inputs: ['llm.model'], trusted }, action, ...more }],
    } as unknown as Policy),
  ),
]);

function compiled(set: readonly Policy[]): Program {
  try {
    return compile(set, { default: 'allow' });
  } catch (thrown) {
    if (thrown instanceof PolicyError) return fc.pre(false) as never;
    throw thrown;
  }
}

const verdicts: readonly WasmAnswer[] = [{ match: true, reason: 'so' }, { match: false }, { unable: 'trapped' }];
const verdict = fc.constantFrom(...verdicts);

/** What a caller meets and the ledger, the trail's alerts and counters are told: all but the lists of rules. */
function enforced({ matchedPolicies: _p, matchedRules: _m, determining: _d, ...rest }: Decision): object {
  const { shadowed: _s, errors: _e, unable: _u, ...kept } = rest;
  return kept;
}

const told = (program: Program, given: FactTree, answer: (fact: string) => WasmAnswer, unsettled?: FactTree) => {
  const modules = { run: ({ fact }: { fact: string }) => answer(fact) };
  const options = { modules, tenant: '', ...(unsettled === undefined ? {} : { unsettled }) };
  const known = withVerdicts(program, 'request', given, options);
  if (known instanceof Promise) throw new Error('every module answers at once');
  return known;
};

function withAnswer(given: FactTree, fact: string, answer: WasmAnswer): FactTree {
  if ('unable' in answer) return withFact(given, fact, new Unable(answer.unable));
  const known = withFact(given, fact, answer.match);
  return answer.reason === undefined ? known : withFact(known, `${fact}:reason`, answer.reason);
}

/** Every way the facts of these names can come out. */
function every(given: FactTree, names: readonly string[]): readonly FactTree[] {
  const [first, ...rest] = names;
  if (first === undefined) return [given];
  return verdicts.flatMap((answer) => every(withAnswer(given, first, answer), rest));
}

describe('laws of skipping', () => {
  it('what is skipped could change nothing that is enforced, whatever it had been', () => {
    let [skips, asks] = [0, 0];
    fc.assert(
      fc.property(sets, facts, fc.infiniteStream(verdict), (set, given, stream) => {
        const program = compiled(set);
        const answers = new Map(wasmCalls(program, 'request').map(({ fact }) => [fact, stream.next().value]));
        const known = told(program, given, (fact) => answers.get(fact) as WasmAnswer);
        skips += known.skipped.length;
        asks += known.asked;
        const decision = enforced(decide(program, 'request', known.facts));
        for (const other of every(known.facts, known.skipped)) {
          expect(enforced(decide(program, 'request', other))).toEqual(decision);
          expect(decide(program, 'request', other)).toEqual(decideNaive(program, 'request', other));
        }
      }),
      { numRuns: 400 },
    );
    expect(skips).toBeGreaterThan(100);
    expect(asks).toBeGreaterThan(100);
  }, 120_000);

  it('facts that may become others leave nothing skipped that they could make matter', () => {
    const models = [undefined, 'gpt-4o', 'gpt-4o-mini', 'claude', new Unable('away')];
    const costs = [undefined, 0, 2, Number.NaN];
    let skips = 0;
    fc.assert(
      fc.property(sets, facts, fc.infiniteStream(verdict), (set, given, stream) => {
        const program = compiled(set);
        const answers = new Map(wasmCalls(program, 'request').map(({ fact }) => [fact, stream.next().value]));
        const open = new Unable('it may be another yet');
        const unsettled = withFact(withFact(given, 'llm.model', open), 'llm.estimatedCost', open);
        const known = told(program, given, (fact) => answers.get(fact) as WasmAnswer, unsettled);
        skips += known.skipped.length;
        for (const model of models) {
          for (const cost of costs) {
            const later = withFact(withFact(known.facts, 'llm.model', model), 'llm.estimatedCost', cost);
            const decision = enforced(decide(program, 'request', later));
            for (const other of every(later, known.skipped))
              expect(enforced(decide(program, 'request', other))).toEqual(decision);
          }
        }
      }),
      { numRuns: 80 },
    );
    expect(skips).toBeGreaterThan(20);
  }, 120_000);

  it('a decision without what was skipped names no rule that nobody asked among those that determine it', () => {
    fc.assert(
      fc.property(sets, facts, verdict, (set, given, answer) => {
        const program = compiled(set);
        const { facts: known, skipped } = told(program, given, () => answer);
        const { determining, shadowed } = decide(program, 'request', known);
        const rules = new Set(skipped.map((fact) => fact.slice('wasm:'.length)));
        expect(determining.filter((rule) => rules.has(rule))).toEqual([]);
        // What is only watched is told to be undecided.
        for (const { rule, unable } of shadowed) if (rules.has(rule)) expect(unable).toBe(true);
        const record = recordFacts(program, 'request', known);
        for (const fact of skipped)
          expect(record[fact]).toBe('unable: not asked: it could not change what is enforced');
      }),
      { numRuns: 400 },
    );
  }, 120_000);
});
