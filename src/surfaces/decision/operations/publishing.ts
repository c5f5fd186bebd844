import { Failure } from '../../../exchange/index.ts';
import { keyOf, testPolicies, type VersionView } from '../../../registry/index.ts';
import type { Operation } from '../operation.ts';
import type { Asker, DecisionPoint } from '../point.ts';
import { checkBody } from '../refusals.ts';
import { publishedSchema, publishSchema, rollbackSchema, unloadedSchema, versionsSchema } from '../schemas.ts';
import { type Publication, published } from './publication.ts';
import { namespaceQuery, unknownPolicy } from './reading.ts';

const namespaces = { namespace: 'Of the policy; without it `default`' };

/** Changes policies: on the admin listener alone. Each change is recorded. */
export const publishing: readonly Operation[] = [
  {
    method: 'POST',
    path: '/api/v1/policies',
    on: 'admin',
    scope: 'policy:write',
    summary: 'Publishes policies, all or none, as new versions',
    body: publishSchema,
    takesText: true,
    answer: publishedSchema,
    status: 201,
    run: (point, { body }, asker) => publish(point, published(body), asker, '/api/v1/policies'),
  },
  {
    method: 'PUT',
    path: '/api/v1/policies/{id}',
    on: 'admin',
    scope: 'policy:write',
    summary: 'Publishes one policy of this id as a new version',
    body: publishSchema,
    takesText: true,
    answer: publishedSchema,
    run(point, { body, params: { id = '' } }, asker) {
      const publication = published(body);
      const { policies } = point.policies.trial([publication.text]);
      if (policies.length === 1 && policies[0]?.metadata.id === id) {
        return publish(point, publication, asker, '/api/v1/policies/{id}');
      }
      const message = `The body must be the one policy '${id}', which the path names.`;
      throw new Failure('invalid_request', message, { param: 'metadata.id' });
    },
  },
  {
    method: 'DELETE',
    path: '/api/v1/policies/{id}',
    on: 'admin',
    scope: 'policy:write',
    summary: 'Takes a managed policy out of force; its versions are kept',
    query: namespaceQuery,
    answer: unloadedSchema,
    async run(point, { params: { id = '' }, query }, { by }) {
      const view = point.policies.get(id, query.namespace);
      if (view === undefined) throw unknownPolicy(id, query.namespace);
      const before = standing(point, view);
      const unloaded = await point.policies.unload(id, view.namespace, by);
      const change = { action: 'policy.unload', by, target: keyOf(view), before } as const;
      if (unloaded) await point.changed('/api/v1/policies/{id}', change);
      return { id, namespace: view.namespace, unloaded };
    },
  },
  {
    method: 'GET',
    path: '/api/v1/policies/{id}/versions',
    on: 'admin',
    scope: 'policy:read',
    summary: 'Every version of a managed policy: who, when, what',
    query: namespaces,
    answer: versionsSchema,
    run({ policies }, { params: { id = '' }, query: { namespace = 'default' } }) {
      const versions = policies.versions(id, namespace);
      if (versions.length > 0) return { id, namespace, versions };
      throw unknownPolicy(id, namespace);
    },
  },
  {
    method: 'POST',
    path: '/api/v1/policies/{id}/rollback',
    on: 'admin',
    scope: 'policy:write',
    summary: 'Publishes the content of an old version as a new one',
    query: namespaces,
    body: rollbackSchema,
    answer: publishedSchema,
    async run(point, { params: { id = '' }, query: { namespace = 'default' }, body }, { by }) {
      checkBody(rollbackSchema, body);
      const { version } = body as { version: number };
      const before = standing(point, { id, namespace });
      const view = await point.policies.rollback(id, namespace, version, by);
      const after = standing(point, view);
      const change = { action: 'policy.rollback', by, target: keyOf(view), before, after } as const;
      await point.changed('/api/v1/policies/{id}/rollback', change);
      return { policies: [view], ...inForce(point) };
    },
  },
  {
    method: 'POST',
    path: '/api/v1/policies/{id}/rollout',
    on: 'admin',
    scope: 'policy:write',
    summary: 'Not served yet: a policy is published for everybody at once',
    answer: unloadedSchema,
    run() {
      throw new Failure(
        'not_supported',
        'Rollouts are not served yet: publish with `status: shadow` to watch a policy.',
      );
    },
  },
];

async function publish(point: DecisionPoint, { text, tests }: Publication, { by }: Asker, route: string) {
  const trial = point.policies.trial([text]);
  const ran = tests === undefined ? undefined : passed(tests, trial.policies);
  const before = new Map(trial.policies.map(({ metadata }) => [keyOf(metadata), standing(point, metadata)]));
  const views = await point.policies.load([text], by, ran === undefined ? {} : { tests: ran });
  for (const view of views) {
    const target = keyOf(view);
    const [was, after] = [before.get(target), standing(point, view)];
    if (after === undefined || after.number === was?.number) continue;
    await point.changed(route, { action: 'policy.publish', by, target, before: was, after });
  }
  return { policies: views, ...inForce(point), ...(ran === undefined ? {} : { tests: ran }) };
}

/** How many tests passed: all of them. Throws `invalid_request` that names those that did not. */
function passed(tests: string, policies: Parameters<typeof testPolicies>[1]): number {
  const reports = testPolicies([tests], policies);
  const failed = reports.flatMap(({ results }) => results.filter((one) => !one.passed));
  if (failed.length === 0) return reports.reduce((sum, report) => sum + report.passed, 0);
  const lines = failed.map(({ name, failures }) => `${name}: ${failures.join('; ')}`);
  const message = `Nothing was published: ${failed.length} of its tests failed.\n${lines.join('\n')}`;
  throw new Failure('invalid_request', message, { param: 'tests', extra: { failed: failed.length } });
}

function inForce({ policies }: DecisionPoint) {
  return { program: policies.program().id, revision: policies.revision };
}

/** The newest version of a policy, in short. */
function standing(point: DecisionPoint, { id, namespace }: { readonly id: string; readonly namespace: string }) {
  const newest: VersionView | undefined = point.policies.versions(id, namespace).at(-1);
  if (newest === undefined) return undefined;
  const { number, version, hash } = newest;
  return { number, version, hash };
}
