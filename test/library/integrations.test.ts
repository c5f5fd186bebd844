import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from 'vitest';
import { CostOpsClient } from '../../src/index/costops.ts';
import { GovernanceClient, type GovernedPolicy } from '../../src/index/governance.ts';
import { ServiceError } from '../../src/index/service.ts';
import { ShieldClient } from '../../src/index/shield.ts';
import { PolicyEngine, parsePolicies } from '../../src/index.ts';
import type { PolicyView } from '../../src/registry/index.ts';
import { adminKey, ref, startGateway, type TestGateway, teamKey } from '../support/gateway.ts';
import { eventually } from '../support/money.ts';

const house = `
metadata: { id: house, name: House, version: 2.1.0, tags: [cost] }
rules:
  - id: dear
    condition: { operator: gt, field: llm.estimatedCost, value: 1 }
    action: { decision: deny, reason: Too dear }
`;
const denied = { llm: { model: 'gpt-4o', estimatedCost: 2 } };

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({
    policies: { house },
    providers: {
      demo: { id: 'demo', format: 'demo', models: { demo: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } } },
    },
    team: {
      keys: [{ key: ref('TEST_TEAM_KEY'), scopes: ['policy:evaluate', 'policy:read'] }],
      budgets: [{ window: 'day', limit_usd: 10 }],
    },
  });
});
afterAll(() => gateway.close());

describe('governance', () => {
  test('evaluates, and reads what is in force and what was decided', async () => {
    const governance = new GovernanceClient({ url: gateway.origin, key: teamKey });
    const answer = await governance.evaluate({ requestId: 'own', context: denied });
    const library = new PolicyEngine({ policies: parsePolicies(house), default: 'allow' });
    expect(answer.decision).toEqual((await library.evaluate({ context: denied })).decision);
    expect(answer.requestId).toBe('own');
    const batch = await governance.evaluateBatch([{ context: denied }, { context: {} }]);
    expect(batch.map(({ decision }) => decision.allowed)).toEqual([false, true]);
    expect((await governance.explain({ context: denied })).explanation.text).toContain('house/dear');
    const [policy, ...others] = await governance.policies();
    expect([policy?.id, policy?.tags, others]).toEqual(['house', ['cost'], []]);
    expect((await governance.policy('house')).text).toContain('Too dear');
    expect((await governance.evaluations({ limit: 2 })).length).toBe(2);
    expect((await governance.decisions()).by_rule['house/dear']).toBeGreaterThan(0);
    expect(await governance.compliance()).toMatchObject({ policies: [{ id: 'house' }] });
  });

  test('has a field for each that the decision point tells of a policy', () => {
    // The compiler asks: a client carries nothing of the registry along.
    expectTypeOf<keyof GovernedPolicy>().toEqualTypeOf<keyof PolicyView>();
    expectTypeOf<PolicyView>().toExtend<GovernedPolicy>();
  });

  test('says what was wrong by status, code and words', async () => {
    const stranger = new GovernanceClient({ url: gateway.origin, key: 'nobody' });
    await expect(stranger.policies()).rejects.toMatchObject({
      name: 'ServiceError',
      status: 401,
      code: 'invalid_api_key',
    });
    const governance = new GovernanceClient({ url: gateway.origin, key: teamKey });
    await expect(governance.policy('nobody')).rejects.toMatchObject({ status: 404 });
    const nowhere = new GovernanceClient({ url: 'http://127.0.0.1:1', key: teamKey });
    await expect(nowhere.policies()).rejects.toBeInstanceOf(ServiceError);
    expect(() => new GovernanceClient({ url: 'nowhere' })).toThrow(TypeError);
  });
});

describe('costops', () => {
  test('reads spending, exports it, and tells budgets and forecasts', async () => {
    const call = await fetch(`${gateway.origin}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${teamKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: 'Hello' }] }),
    });
    expect(call.status).toBe(200);
    await call.text();
    const costops = new CostOpsClient({ url: gateway.admin, key: adminKey });
    const row = async () => (await costops.spending({ by: ['team', 'model'] })).find(({ requests }) => requests > 0);
    await eventually('the call in the books', async () => (await row()) !== undefined);
    expect(await row()).toMatchObject({ team: 'research', model: 'demo', requests: 1 });
    expect((await row())?.cost_usd).toBeGreaterThan(0);
    expect(await costops.exportSpending({ by: ['team'] })).toMatch(/^team,[^\n]*\nresearch,/);
    expect((await costops.forecast('acme')).every(({ organization }) => organization === 'acme')).toBe(true);
    expect((await costops.budgets())[0]).toMatchObject({ organization: 'acme' });
    const caller = new CostOpsClient({ url: gateway.admin, key: teamKey });
    await expect(caller.spending()).rejects.toMatchObject({ status: 401 });
  });
});

describe('shield', () => {
  let server: Server;
  let url = '';
  const asked: { path: string | undefined; body: Record<string, unknown>; key: string | undefined }[] = [];
  let reply: (request: IncomingMessage, body: Record<string, unknown>) => { status: number; body: unknown } | undefined;
  beforeAll(async () => {
    server = createServer(async (request, response) => {
      const body = JSON.parse(await text(request)) as Record<string, unknown>;
      asked.push({ path: request.url, body, key: request.headers.authorization });
      const answer = reply(request, body);
      if (answer === undefined) return;
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  const result = (scanner: string, isValid: boolean, riskScore: number, entityTypes: string[] = []) => ({
    scanner,
    isValid,
    riskScore,
    riskFactors: [],
    entities: entityTypes.map((entityType, at) => ({ entityType, text: 'x', start: at, end: at + 1, confidence: 1 })),
  });
  const whole = (...scannerResults: object[]) => ({
    status: 200,
    body: { isValid: true, riskScore: 0, sanitizedText: '', scannerResults, scanTimeMs: 1, cacheHit: false },
  });
  const policies = parsePolicies(`
metadata: { id: shielded, name: Shielded, version: 1.0.0 }
rules:
  - { id: injected, condition: { operator: gte, field: rails.injection.score, value: 0.8 }, action: { decision: deny, reason: Injected } }
  - { id: card, condition: { operator: contains, field: rails.pii.types, value: card }, action: { decision: deny, reason: Card } }
`);
  const decide = async (facts: object) =>
    (await new PolicyEngine({ policies, default: 'allow' }).evaluate({ context: { ...facts } })).decision;

  test('makes facts of what each scanner says, which policies decide on', async () => {
    reply = () =>
      whole(
        result('pii', true, 0.4, ['CREDIT_CARD', 'EMAIL', 'EMAIL']),
        result('secrets', true, 0),
        result('prompt_injection', false, 0.9),
      );
    const shield = new ShieldClient({ url, key: 'shield-key' });
    const facts = await shield.promptFacts('Hello');
    expect(facts).toEqual({
      rails: {
        pii: { found: true, types: ['card', 'email'], score: 0.4, count: 3 },
        secrets: { found: false, types: [], score: 0, count: 0 },
        injection: { found: true, types: [], score: 0.9, count: 1 },
      },
    });
    expect((await decide(facts)).matchedRules).toEqual(['shielded/injected', 'shielded/card']);
    await shield.outputFacts('Hello', 'World');
    expect(asked.slice(-2)).toEqual([
      {
        path: '/v1/scan/prompt',
        key: 'Bearer shield-key',
        body: { prompt: 'Hello', scanners: ['pii', 'secrets', 'prompt_injection'] },
      },
      {
        path: '/v1/scan/output',
        key: 'Bearer shield-key',
        body: { prompt: 'Hello', output: 'World', scanners: ['pii', 'secrets', 'prompt_injection'] },
      },
    ]);
    reply = () => whole(result('pii', true, 0), result('secrets', true, 0), result('prompt_injection', true, 0.1));
    expect((await decide(await shield.promptFacts('Hello'))).allowed).toBe(true);
  });

  test('is unable, and never clear, where it says nothing, half of it, no, or nothing in time', async () => {
    const shield = new ShieldClient({ url, timeout_ms: 200, scanners: { injection: 'prompt_injection', pii: 'pii' } });
    const ways: [string, typeof reply][] = [
      ['a scanner is left out', () => whole(result('pii', true, 0))],
      ['a result is half there', () => whole({ scanner: 'prompt_injection', isValid: true }, result('pii', true, 0))],
      ['there are no results', () => ({ status: 200, body: { isValid: true } })],
      ['it refuses', () => ({ status: 429, body: { error: { message: 'slow down' } } })],
      ['it is no JSON of ours', () => ({ status: 200, body: null })],
      ['it never answers', () => undefined],
    ];
    for (const [what, way] of ways) {
      reply = way;
      const decision = await decide(await shield.promptFacts('Hello'));
      expect([decision.decision, decision.unable.map(({ fact }) => fact)], what).toEqual([
        'deny',
        expect.arrayContaining(['rails.injection.score']),
      ]);
    }
  });
});
