import { Failure } from '../../../exchange/index.ts';
import { type Lately, newestFirst, seenOfRecord } from '../lately.ts';
import type { Operation } from '../operation.ts';
import type { Asker, DecisionPoint } from '../point.ts';
import { complianceSchema, enforcementSchema, evaluationsSchema, figuresSchema, healthSchema } from '../schemas.ts';

const limit_max = 1000;
const limits = {
  limit: `From 1 to ${limit_max}; default 100`,
  decision: 'Only these: allow, deny, warn ...',
  policy: 'Only those this policy decided',
};

/** What dashboards ask: figures of what was decided of late, on this process and as its records tell. */
export const dashboards: readonly Operation[] = [
  {
    method: 'GET',
    path: '/api/v1/evaluations',
    on: 'both',
    scope: 'policy:read',
    summary: "Evaluations of late, and decisions on calls of the caller's organization, newest first",
    query: limits,
    answer: evaluationsSchema,
    async run(point, { query }, asker) {
      const evaluations = chosen(await lately(point, asker), query);
      return { evaluations, count: evaluations.length };
    },
  },
  {
    method: 'GET',
    path: '/api/v1/enforcement/decisions',
    on: 'both',
    scope: 'policy:read',
    summary: 'Decisions of late that were more than a plain yes, with how often which rule decided',
    query: limits,
    answer: enforcementSchema,
    async run(point, { query }, asker) {
      const all = (await lately(point, asker)).filter(({ decision }) => decision !== 'allow');
      const decisions = chosen(all, query);
      const by_rule = counted(all.flatMap(({ determining }) => determining));
      return { decisions, count: decisions.length, by_decision: counted(all.map(({ decision }) => decision)), by_rule };
    },
  },
  {
    method: 'GET',
    path: '/api/v1/compliance/status',
    on: 'both',
    scope: 'policy:read',
    summary: 'Each policy and category: whether it is active and tested, and what it refused or could not tell of late',
    answer: complianceSchema,
    async run(point, _asked, asker) {
      const all = await lately(point, asker);
      const denied = counted(all.filter(({ allowed }) => !allowed).flatMap(policiesOf));
      const unable = counted(all.flatMap((one) => ofRules(one.unable)));
      const policies = point.policies.list().map(({ id, namespace, version, category, status, tested }) => {
        return {
          ...{ id, namespace, version, category, status, tested },
          denials: denied[id] ?? 0,
          unable: unable[id] ?? 0,
        };
      });
      const categories = [...new Set(policies.map(({ category }) => category))].sort().map((category) => {
        const own = policies.filter((one) => one.category === category);
        const sum = (of: (one: (typeof own)[number]) => number) => own.reduce((total, one) => total + of(one), 0);
        return {
          category,
          policies: own.length,
          active: own.filter(({ status }) => status === 'active').length,
          tested: own.filter(({ tested }) => tested).length,
          denials: sum((one) => one.denials),
          unable: sum((one) => one.unable),
        };
      });
      const since = all.at(-1)?.timestamp ?? null;
      return { program: point.policies.program().id, since, decisions: all.length, categories, policies };
    },
  },
  {
    method: 'GET',
    path: '/api/v1/metrics',
    on: 'data',
    scope: 'policy:read',
    summary: 'Figures of the decision point in this process since it started',
    answer: figuresSchema,
    run(point) {
      const views = point.policies.list();
      return {
        evaluations: point.recent.figures,
        policies: views.length,
        rules: views.reduce((sum, { rules }) => sum + rules, 0),
        program: point.policies.program().id,
        revision: point.policies.revision,
        streams: point.recent.streams,
        uptime_seconds: Math.round(point.clock.elapsed()) / 1000,
      };
    },
  },
  {
    method: 'GET',
    path: '/api/v1/health',
    on: 'data',
    scope: undefined,
    summary: 'Whether the decision point answers',
    answer: healthSchema,
    run: () => ({ status: 'ok' }),
  },
];

/** Evaluations and decisions on calls, newest first; a caller sees those of its organization. */
async function lately(point: DecisionPoint, { caller }: Asker): Promise<readonly Lately[]> {
  const organization = caller?.organization.id;
  const records = await point.records({ organization, limit: limit_max });
  const calls = records.map(seenOfRecord).filter((one) => one !== undefined);
  const evaluations = await point.evaluations();
  const own = evaluations.filter((one) => organization === undefined || one.organization === organization);
  return newestFirst([...own, ...calls]);
}

function chosen(all: readonly Lately[], query: Readonly<Record<string, string>>): readonly Lately[] {
  const { limit = '100', decision, policy } = query;
  if (!/^\d{1,4}$/.test(limit) || Number(limit) < 1 || Number(limit) > limit_max) {
    const message = `\`limit\` must be a whole number from 1 to ${limit_max}.`;
    throw new Failure('invalid_request', message, { param: 'limit' });
  }
  const fits = (one: Lately) =>
    (decision === undefined || one.decision === decision) && (policy === undefined || policiesOf(one).includes(policy));
  return all.filter(fits).slice(0, Number(limit));
}

function policiesOf({ determining, policyId }: Lately): readonly string[] {
  const ids = ofRules(determining);
  return policyId === undefined || ids.includes(policyId) ? ids : [...ids, policyId];
}

/** The policies of rules, each once. */
function ofRules(rules: readonly string[]): readonly string[] {
  return [...new Set(rules.map((rule) => rule.split('/')[0] ?? ''))];
}

function counted(names: readonly string[]): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)));
}
