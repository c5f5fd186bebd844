import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadPdpConfig } from '../../src/config.ts';
import { type AuditRecord, queryTrail, verifyTrail } from '../../src/observe/index.ts';
import { openAsking, type Said } from '../support/asking.ts';
import { startCli } from '../support/cli-process.ts';
import { quietPolicy, ref, teamKey, testEnv } from '../support/gateway.ts';
import { drained, GrpcClient, struct } from '../support/grpc-client.ts';
import { eventually } from '../support/money.ts';
import { startPdp, type TestPdp, writePdpFiles } from '../support/pdp.ts';

const service = 'llm.policy.v1.PolicyService';
const bearer = { authorization: `Bearer ${teamKey}` };
const house = `
metadata: { id: house, name: House, version: 2.1.0 }
rules:
  - id: dear
    condition: { operator: gt, field: llm.estimatedCost, value: 1 }
    action: { decision: deny, reason: Too dear }
  - id: says
    condition: { operator: contains, field: llm.prompt, value: secret }
    action: { decision: deny, reason: Secrets }
`;
const denied = { llm: { model: 'gpt-4o', estimatedCost: 2 }, user: { id: 'jane' } };

const evaluate = (origin: string, body: object, headers: Record<string, string> = bearer) =>
  fetch(`${origin}/api/v1/evaluate`, { method: 'POST', headers, body: JSON.stringify(body) });

async function records(directory: string): Promise<AuditRecord[]> {
  const found: AuditRecord[] = [];
  const data = join(directory, 'data');
  for await (const { record } of queryTrail(join(data, 'audit'), { decision: 'decision' }, join(data, 'spool')))
    found.push(record);
  return found;
}

describe('a daemon', () => {
  let daemon: TestPdp;
  beforeAll(async () => {
    daemon = await startPdp({ policies: { house } });
  });
  afterAll(() => daemon.close());

  test('evaluates over REST and gRPC, batches and explains, and has no route to a provider', async () => {
    const answer = await evaluate(daemon.origin, { requestId: 'own', context: denied });
    expect(await answer.json()).toMatchObject({ requestId: 'own', decision: { decision: 'deny', reason: 'Too dear' } });
    const client = new GrpcClient(daemon.pdp.addresses.grpc!);
    const { body } = await client.ask(service, 'Evaluate', { context: struct(denied) }, bearer);
    expect(body.decision.decision).toBe('deny');
    client.close();
    for (const [path, asked] of [
      ['evaluate/batch', [{ context: denied }]],
      ['evaluate/explain', { context: denied }],
    ] as const) {
      const response = await fetch(`${daemon.origin}/api/v1/${path}`, {
        method: 'POST',
        headers: bearer,
        body: JSON.stringify(asked),
      });
      expect(response.status, path).toBe(200);
    }
    expect(daemon.pdp.routes.length).toBeGreaterThan(5);
    expect(daemon.pdp.routes.filter(({ judgement }) => judgement !== 'caller' && judgement !== 'open')).toEqual([]);
    const chat = await fetch(`${daemon.origin}/v1/chat/completions`, { method: 'POST', headers: bearer, body: '{}' });
    expect([chat.status, ((await chat.json()) as { error: { code: string } }).error.code]).toEqual([
      404,
      'not_supported',
    ]);
  });

  test('needs a key, and every path that decides does', async () => {
    const asking = daemon.pdp.routes.filter(({ judgement }) => judgement === 'caller');
    expect(asking.length).toBeGreaterThan(3);
    for (const { method, url } of asking) {
      if (method === 'HEAD') continue;
      const body = method === 'GET' ? {} : { body: '{"context": {}}' };
      const response = await fetch(daemon.origin + url.replaceAll(/:\w+/g, 'x'), { method, ...body });
      expect([response.status, response.headers.get('x-should-retry')], url).toEqual([401, 'false']);
    }
  });

  test('says how it is, and counts what it decided', async () => {
    expect((await fetch(`${daemon.origin}/health`)).status).toBe(200);
    expect(await (await fetch(`${daemon.origin}/ready`)).json()).toEqual({ status: 'ready', reasons: [] });
    await evaluate(daemon.origin, { context: denied });
    const text = await (await fetch(`${daemon.pdp.addresses.metrics}/metrics`)).text();
    expect(text).toMatch(/llm_policy_evaluations_total\{decision="deny"\} [1-9]/);
    expect(text).toContain(`program="${daemon.pdp.program}"`);
  });
});

describe('the evaluation log', () => {
  test('has one record of each evaluation: who, on which facts, by which program; a chain that holds', async () => {
    const daemon = await startPdp({ policies: { house } });
    const { program } = daemon.pdp;
    await evaluate(daemon.origin, { requestId: 'one', context: denied });
    await evaluate(daemon.origin, { requestId: 'two', context: { llm: { model: 'm', prompt: 'a secret thing' } } });
    const client = new GrpcClient(daemon.pdp.addresses.grpc!);
    const stream = client.duplex(service, 'EvaluateStream', bearer);
    stream.write({ requestId: 'three', context: struct({}) });
    stream.write({ requestId: 'no context' });
    stream.end();
    expect((await drained(stream)).messages).toHaveLength(2);
    client.close();
    await daemon.close(true);
    const found = await records(daemon.directory);
    expect(found.map(({ request_id, ending }) => [request_id, ending])).toEqual([
      ['one', 'denied'],
      ['two', 'denied'],
      ['three', 'complete'],
    ]);
    expect(found[0]).toMatchObject({
      kind: 'decision',
      route: 'evaluate',
      caller: { organization: 'acme', team: 'research' },
      facts: { 'llm.estimatedCost': 2 },
      program,
      decision: { request: { decision: 'deny', rules: ['house/dear'], reasons: ['Too dear'] } },
      cost_nusd: 0,
    });
    expect(JSON.stringify(found)).not.toContain('a secret thing');
    const data = join(daemon.directory, 'data');
    const report = await verifyTrail(join(data, 'audit'), join(data, 'spool'));
    expect(report.problems).toEqual([]);
    rmSync(daemon.directory, { recursive: true, force: true });
  });

  test.each(['group', 'always'])(
    'has whatever was answered, with fsync: %s, even by a daemon that is killed at once',
    async (fsync) => {
      const { directory, file } = writePdpFiles({ policies: { house } });
      writeFileSync(file, `${readFileSync(file, 'utf8').replace(/^state:\n/m, `state:\n  fsync: ${fsync}\n`)}`);
      const start = () => startCli(['pdp', '--config', file], { cwd: directory, env: testEnv });
      const program = await start();
      const [, origin] = await program.says(/evaluate +(http:\/\/[^/]+)\/api\/v1\/evaluate/);
      const [, grpc] = await program.says(/grpc +(\S+)/);
      const answered: string[] = [];
      const asking = async (ask: (id: string) => Promise<Said>, name: string) => {
        for (let at = 0; ; at += 1) {
          expect((await ask(`${name}-${at}`)).decision.decision).toBe('deny');
          answered.push(`${name}-${at}`);
        }
      };
      const client = new GrpcClient(grpc!);
      const socket = await openAsking(origin!, { key: teamKey });
      const over = Promise.allSettled([
        asking(async (requestId) => (await evaluate(origin!, { requestId, context: denied })).json(), 'rest'),
        asking(async (requestId) => {
          return (await client.ask(service, 'Evaluate', { requestId, context: struct(denied) }, bearer)).body;
        }, 'grpc'),
        asking((requestId) => {
          socket.say({ requestId, context: denied });
          return socket.next();
        }, 'socket'),
      ]);
      const ways = () => new Set(answered.map((id) => id.split('-')[0]));
      await eventually('answers on every way', () => ways().size === 3 && answered.length > 60, 60_000);
      program.kill('SIGKILL');
      await program.ended;
      socket.socket.terminate();
      client.close();
      await over;
      const told = [...answered];
      // The next daemon delivers what the spool holds.
      const next = await start();
      await next.says(/evaluate +http/);
      next.kill('SIGTERM');
      await next.ended;
      const kept = new Set((await records(directory)).map(({ request_id }) => request_id));
      expect(told.filter((id) => !kept.has(id))).toEqual([]);
      rmSync(directory, { recursive: true, force: true });
    },
  );

  test('is off where the file says so', async () => {
    const daemon = await startPdp({ policies: { house }, config: { audit: { enabled: false } } });
    expect((await evaluate(daemon.origin, { context: denied })).status).toBe(200);
    await daemon.pdp.close();
    expect(existsSync(join(daemon.directory, 'data', 'audit'))).toBe(false);
    expect(readdirSync(join(daemon.directory, 'data'))).not.toContain('spool');
    rmSync(daemon.directory, { recursive: true, force: true });
  });
});

describe('a sidecar', () => {
  test('listens at a socket, takes over one that a crash left, and never one that is answered', async () => {
    const socket = join(mkdtempSync(join(tmpdir(), 'llm-policy-socket-')), 'run', 'pdp.sock');
    const options = { policies: { house }, config: { server: { socket } } };
    const first = await startPdp(options);
    expect(first.pdp.addresses.data).toBe(socket);
    const ask = () =>
      new Promise<string>((resolve, reject) => {
        const asked = request(
          { socketPath: socket, path: '/api/v1/evaluate', method: 'POST', headers: bearer },
          (reply) => {
            let text = '';
            reply.on('data', (bytes) => {
              text += bytes;
            });
            reply.on('end', () => resolve(text));
          },
        );
        asked.on('error', reject);
        asked.end(JSON.stringify({ context: denied }));
      });
    expect(JSON.parse(await ask())).toMatchObject({ decision: { decision: 'deny' } });
    await expect(startPdp(options)).rejects.toThrow(/is taken: another program listens there; set server.socket/);
    await first.close();
    // A process that is killed leaves its socket behind.
    const crash = `require('net').createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 'SIGKILL'))`;
    expect(spawnSync(process.execPath, ['-e', crash]).signal).toBe('SIGKILL');
    expect(existsSync(socket)).toBe(true);
    const left = await startPdp(options);
    expect(JSON.parse(await ask())).toMatchObject({ decision: { decision: 'deny' } });
    await left.close();
  });
});

describe('changing policies over gRPC', () => {
  const texts = [
    'metadata: { id: more, version: 1.0.0 }\nrules: [{ id: r, action: { decision: deny, reason: no } }]\n',
  ];
  const keys = [{ key: ref('TEST_TEAM_KEY'), scopes: ['policy:admin'] }];
  const organizations = [{ id: 'acme', teams: [{ id: 'research', keys }] }];

  test('is off until the configuration says so, for a key with every scope too', async () => {
    const daemon = await startPdp({ policies: { house }, config: { organizations } });
    const client = new GrpcClient(daemon.pdp.addresses.grpc!);
    const before = daemon.pdp.program;
    for (const [method, message] of [
      ['LoadPolicy', { texts }],
      ['UnloadPolicy', { id: 'house' }],
    ] as const) {
      await expect(client.ask(service, method, message, bearer)).rejects.toMatchObject({
        code: status.UNIMPLEMENTED,
        details: expect.stringContaining('admin listener'),
      });
    }
    expect(daemon.pdp.program).toBe(before);
    expect((await client.ask(service, 'ListPolicies', {}, bearer)).body.count).toBe(1);
    client.close();
    await daemon.close();
  });

  test('is on where it does', async () => {
    const config = { organizations, grpc: { port: 0, publishing: true } };
    const daemon = await startPdp({ policies: { house }, config });
    const client = new GrpcClient(daemon.pdp.addresses.grpc!);
    const { body } = await client.ask(service, 'LoadPolicy', { texts }, bearer);
    expect(body.policies).toMatchObject([{ id: 'more', source: 'managed' }]);
    expect((await evaluate(daemon.origin, { context: {} })).status).toBe(200);
    client.close();
    await daemon.close();
  });
});

describe('the configuration of a daemon', () => {
  test('is watched: changed policies decide at once, broken ones are refused whole', async () => {
    const daemon = await startPdp({ policies: { house } });
    const before = daemon.pdp.program;
    const file = join(daemon.directory, 'policies', 'house.yaml');
    writeFileSync(file, house.replace('value: 1', 'value: 5'));
    await eventually('the new policies', () => daemon.pdp.program !== before);
    expect(await (await evaluate(daemon.origin, { context: denied })).json()).toMatchObject({
      decision: { allowed: true },
    });
    const good = daemon.pdp.program;
    writeFileSync(file, house.replace('operator: gt', 'operator: greatest'));
    await daemon.pdp.reload();
    expect(daemon.pdp.program).toBe(good);
    await daemon.close();
  });

  test('refuses what a daemon does not keep, and what it does not know, with its place', async () => {
    const wrong: [Record<string, unknown>, RegExp][] = [
      [
        {
          organizations: [
            { id: 'a', teams: [{ id: 't', keys: [ref('TEST_TEAM_KEY')], budgets: [{ window: 'day', limit_usd: 1 }] }] },
          ],
        },
        /^'budgets' is kept by the gateway alone/,
      ],
      [{ organizations: [{ id: 'a', teams: [{ id: 't', limits: { concurrent: 2 } }] }] }, /^'limits' is kept/],
      [{ providers: ['./providers'] }, /^unknown key 'providers'/],
      [{ metrics: { port: 7000 }, grpc: { port: 7000 } }, /^the listener 'metrics' is at 127.0.0.1:7000 already/],
    ];
    for (const [config, message] of wrong) {
      const { directory, file } = writePdpFiles({ config });
      const { settings, problems } = await loadPdpConfig({ file, env: testEnv, cwd: directory, base: directory });
      expect(settings).toBeUndefined();
      expect(problems.map((one) => one.message)).toEqual([expect.stringMatching(message)]);
      expect(problems[0]!.line).toBeGreaterThan(0);
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe('llm-policy pdp', () => {
  test.each([[['pdp']], [['serve', '--pdp']]])('%s runs until it is told to stop', async (words) => {
    const { directory, file } = writePdpFiles({ policies: { quiet: quietPolicy } });
    const program = await startCli([...words, '--config', file], { cwd: directory, env: testEnv });
    const [, origin] = await program.says(/evaluate +(http:\/\/[^/]+)\/api\/v1\/evaluate/);
    const [, grpc] = await program.says(/grpc +(\S+)/);
    expect((await evaluate(origin!, { context: {} })).status).toBe(200);
    const client = new GrpcClient(grpc!);
    expect((await client.ask(service, 'Evaluate', { context: struct({}) }, bearer)).body.decision.allowed).toBe(true);
    program.kill('SIGTERM');
    expect(await program.ended).toBe(0);
    await expect(client.ask(service, 'Evaluate', { context: struct({}) }, bearer)).rejects.toMatchObject({
      code: status.UNAVAILABLE,
    });
    client.close();
    rmSync(directory, { recursive: true, force: true });
  });
});
