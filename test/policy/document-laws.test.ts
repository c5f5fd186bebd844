import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideNaive } from '../../src/policy/decide.ts';
import {
  compile,
  type Decision,
  decide,
  type FactTree,
  factOf,
  fmt,
  PolicyError,
  type Program,
  parsePolicies,
  type RecordedExchange,
  recordedBy,
  replayed,
  Unable,
} from '../../src/policy/index.ts';
import { reader } from '../../src/policy/leaf.ts';
import { phases } from '../../src/policy/policy.ts';
import { facts } from './arbitrary.ts';
import { documents, type PolicyDocument } from './arbitrary-documents.ts';

const parsed = (set: readonly PolicyDocument[]) => set.flatMap((one) => parsePolicies(JSON.stringify(one)));

/** Sets in which obligations conflict do not compile: another law's business. */
function compiled(policies: ReturnType<typeof parsed>): Program {
  try {
    return compile(policies, { default: 'allow' });
  } catch (thrown) {
    if (thrown instanceof PolicyError && thrown.message.includes('want different values'))
      return fc.pre(false) as never;
    throw thrown;
  }
}
const program = (set: readonly PolicyDocument[]) => compiled(parsed(set));

const given = fc.record({ facts, id: fc.constantFrom('root', 'ann') }).map(
  ({ facts: tree, id }): FactTree => ({
    ...tree,
    user: tree.user instanceof Unable ? tree.user : { ...(tree.user as object | undefined), id },
  }),
);
const outcome = ({ shadowed: _s, unable: _u, errors: _e, ...rest }: Decision) => rest;

/** A set again, watched alone: of another namespace, so that its names stand beside the others. */
const beside = (set: readonly PolicyDocument[], change: (one: PolicyDocument) => object) =>
  set.map((one) => ({
    ...one,
    ...change(one),
    metadata: { ...one.metadata, namespace: 'beside' },
  })) as PolicyDocument[];
const off = new Set(['draft', 'disabled']);
/** As many as a busy machine gets through. */
const runs = (numRuns: number) => ({ numRuns, interruptAfterTimeLimit: 15_000, markInterruptAsFailure: false });

describe('laws of policies as files have them', () => {
  it('they load, and every decision and obligation is among them', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(documents, given, (set, tree) => {
        const one = program(set);
        for (const phase of phases) {
          const decision = decide(one, phase, tree);
          seen.add(decision.decision);
          for (const { type } of decision.obligations) seen.add(type);
          if (decision.shadowed.length > 0) seen.add('shadowed');
        }
      }),
      { numRuns: 500, seed: 3 },
    );
    expect([...seen].sort()).toEqual(
      [
        ...['allow', 'approve', 'audit', 'deny', 'modify', 'shadowed', 'throttle', 'warn'],
        ...['add_tags', 'cap_max_tokens', 'prepend_system', 'redact', 'remove', 'retry', 'route_to', 'set'],
        'substitute_model',
      ].sort(),
    );
  }, 120_000);

  it('the order of files changes nothing', () => {
    fc.assert(
      fc.property(documents, given, fc.infiniteStream(fc.nat()), (set, tree, keys) => {
        const shuffled = set
          .map((one) => ({ one, key: keys.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ one }) => one);
        const [first, other] = [program(set), program(shuffled)];
        expect(other.id).toBe(first.id);
        for (const phase of phases) expect(decide(other, phase, tree)).toEqual(decide(first, phase, tree));
      }),
      runs(120),
    );
  });

  it('the index finds what looking at every rule finds', () => {
    fc.assert(
      fc.property(documents, given, (set, tree) => {
        const one = program(set);
        for (const phase of phases) expect(decide(one, phase, tree)).toEqual(decideNaive(one, phase, tree));
      }),
      runs(200),
    );
  });

  it('a rule that cannot match changes nothing, whatever it would do', () => {
    const never = {
      operator: 'and',
      conditions: ['a', 'b'].map((value) => ({ operator: 'eq', field: 'request.id', value })),
    };
    fc.assert(
      fc.property(documents, documents, given, fc.integer({ min: -5, max: 5 }), (set, others, tree, priority) => {
        const idle = others
          .flatMap(({ rules }) => rules)
          .flatMap(({ action }, i) => (action === undefined ? [] : [{ id: `n${i}`, condition: never, action }]))
          .filter(({ action }) => !JSON.stringify(action).includes('params.'));
        fc.pre(idle.length > 0);
        const extra = { metadata: { id: 'zz', priority }, rules: idle.slice(0, 1) } as PolicyDocument;
        for (const phase of phases)
          expect(decide(program([...set, extra]), phase, tree)).toEqual(decide(program(set), phase, tree));
      }),
      runs(120),
    );
  });

  it('formatting changes no decision and no content', () => {
    fc.assert(
      fc.property(documents, given, (set, tree) => {
        const policies = parsed(set);
        const formatted = policies.flatMap((policy) => parsePolicies(fmt(policy)));
        expect(formatted.map(fmt)).toEqual(policies.map(fmt));
        const [first, other] = [compiled(policies), compiled(formatted)];
        expect(other.id).toBe(first.id);
        for (const phase of phases) expect(decide(other, phase, tree)).toEqual(decide(first, phase, tree));
      }),
      runs(200),
    );
  });

  it('a policy that is watched never changes an outcome, and neither does a dry run', () => {
    const dry = ({ rules }: PolicyDocument) => ({
      rules: rules.map((rule) =>
        rule.action === undefined || rule.action.decision === 'dryrun'
          ? rule
          : { ...rule, action: { decision: 'dryrun', action: rule.action } },
      ),
    });
    fc.assert(
      fc.property(documents, documents, given, fc.boolean(), (enforced, watched, tree, asShadow) => {
        // A template's own action would be enforced: of those only shadows are watched.
        const plain = watched.filter(({ rules }) => rules.every((rule) => !('template' in rule) || 'action' in rule));
        const shadows = asShadow
          ? beside(watched, ({ status }) => (off.has(status ?? '') ? {} : { status: 'shadow' }))
          : beside(
              plain.filter((one) => !('extends' in one) && !('include' in one)),
              dry,
            );
        const [alone, together] = [program(enforced), program([...enforced, ...shadows])];
        for (const phase of phases)
          expect(outcome(decide(together, phase, tree))).toEqual(outcome(decide(alone, phase, tree)));
      }),
      runs(150),
    );
  });

  it('a decision made again on its record is the decision', () => {
    fc.assert(
      fc.property(documents, given, (set, tree) => {
        const one = program(set);
        const decision = decide(one, 'request', measured(one, tree));
        const record = recordOf(one, measured(one, tree), decision);
        const { facts: again } = replayed(one, record, recordedBy([record], [one]));
        const { reason: _r, warnings: _w, shadowed: _s, ...rest } = decide(one, 'request', again);
        const { reason: _reason, warnings: _warnings, shadowed: _shadowed, ...first } = decision;
        expect(rest).toEqual(first);
      }),
      runs(200),
    );
  });
});

/** The tree as a gateway has it: a rail that is asked for says something, or that it cannot. */
function measured(one: Program, tree: FactTree): FactTree {
  const rails = tree.rails as Record<string, unknown> | undefined;
  const made = [...one.needs('request').rails.keys()].map((rail) => {
    const said = rails?.[rail];
    if (said instanceof Unable) return [rail, said] as const;
    const { found, types } = (said ?? {}) as { found?: unknown; types?: unknown };
    const list = Array.isArray(types) ? (types as readonly string[]) : [];
    return [rail, { found: found === true || list.length > 0, types: list, score: 0, count: list.length }] as const;
  });
  return { ...tree, rails: Object.fromEntries(made) };
}

/** What a trail keeps of a call that was decided on: the facts that could be read, and what could not. */
function recordOf(one: Program, tree: FactTree, decision: Decision): RecordedExchange {
  const read = [...one.needs('request').facts].flatMap((name) => {
    const fact = factOf(name);
    const value = fact === undefined ? undefined : reader(fact)(tree);
    return value === undefined || value instanceof Unable ? [] : [[name, value] as const];
  });
  return {
    exchange: 'ex_1',
    time_ms: 0,
    facts: Object.fromEntries(read),
    program: one.id,
    cost_nusd: 0,
    caller: { organization: 'acme', team: 'research', key: 'k1' },
    decision: {
      request: {
        decision: decision.decision,
        rules: decision.matchedRules,
        obligations: decision.obligations.map(({ type, rule }) => `${type} (${rule})`),
        unable: decision.unable.map(({ fact, reason, rule }) => `${fact}: ${reason} (${rule})`),
      },
    },
  };
}
