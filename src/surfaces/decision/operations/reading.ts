import { Failure } from '../../../exchange/index.ts';
import { PolicyError, simulate } from '../../../policy/index.ts';
import { keyOf, testPolicies } from '../../../registry/index.ts';
import type { Operation } from '../operation.ts';
import { checkBody } from '../refusals.ts';
import {
  policyAnswerSchema,
  policyListSchema,
  publishSchema,
  simulatedSchema,
  simulateSchema,
  testedSchema,
  testSchema,
  validatedSchema,
} from '../schemas.ts';
import { published } from './publication.ts';

export const namespaceQuery = { namespace: 'Of the policy; without it the one in `default`, or else the only one' };

/** Looks at policies, in force or not, and changes nothing. */
export const reading: readonly Operation[] = [
  {
    method: 'GET',
    path: '/api/v1/policies',
    on: 'both',
    scope: 'policy:read',
    summary: 'The policies in force',
    answer: policyListSchema,
    run({ policies }) {
      const list = policies.list();
      return { policies: list, count: list.length, program: policies.program().id, revision: policies.revision };
    },
  },
  {
    method: 'GET',
    path: '/api/v1/policies/{id}',
    on: 'both',
    scope: 'policy:read',
    summary: 'One of them, with its canonical text',
    query: namespaceQuery,
    answer: policyAnswerSchema,
    run({ policies }, { params: { id = '' }, query }) {
      const found = policies.get(id, query.namespace);
      if (found === undefined) throw unknownPolicy(id, query.namespace);
      return found;
    },
  },
  {
    method: 'POST',
    path: '/api/v1/policies/validate',
    on: 'both',
    scope: 'policy:read',
    summary: 'Whether policies would load beside those in force, and every problem where not',
    body: publishSchema,
    takesText: true,
    answer: validatedSchema,
    run({ policies }, { body }) {
      try {
        const trial = policies.trial([published(body).text]);
        const read = trial.policies.map(({ metadata: { id, namespace, version }, rules }) => ({
          id,
          namespace,
          version,
          rules: rules.length,
        }));
        return { valid: true, policies: read, problems: [] };
      } catch (thrown) {
        if (!(thrown instanceof PolicyError)) throw thrown;
        return { valid: false, policies: [], problems: thrown.problems };
      }
    },
  },
  {
    method: 'POST',
    path: '/api/v1/policies/test',
    on: 'both',
    scope: 'policy:read',
    summary: 'Runs policy tests on the policies given, or on those in force',
    body: testSchema,
    answer: testedSchema,
    run({ policies }, { body }) {
      checkBody(testSchema, body);
      const { tests, policies: text } = body as { tests: string; policies?: string };
      const given = text === undefined ? [] : policies.trial([text]).policies;
      const keys = new Set(given.map(({ metadata }) => keyOf(metadata)));
      const others = policies.policies().filter(({ metadata }) => !keys.has(keyOf(metadata)));
      const [report] = testPolicies([tests], [...given, ...others]);
      return report;
    },
  },
  {
    method: 'POST',
    path: '/api/v1/simulate',
    on: 'both',
    scope: 'policy:read',
    summary: 'What other policies would have said of calls of late, and what that would have cost',
    body: simulateSchema,
    answer: simulatedSchema,
    async run(point, { body }, { caller }) {
      checkBody(simulateSchema, body);
      const { policies: text, limit = 1000 } = body as { policies: string; limit?: number };
      const { program } = point.policies.trial([text]);
      const records = await point.records({ organization: caller?.organization.id, limit });
      return simulate(program, records, { programs: [point.policies.program()] });
    },
  },
];

/** 404: there is none of this name. */
export function unknownPolicy(id: string, namespace: string | undefined): Failure {
  const where = namespace === undefined ? '' : ` in the namespace '${namespace}'`;
  return new Failure('invalid_request', `There is no policy '${id}'${where}, or several of this id.`, {
    status: 404,
    param: 'id',
  });
}
