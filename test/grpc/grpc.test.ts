import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adminKey, ref, startGateway, type TestGateway, teamKey } from '../support/gateway.ts';
import { drained, GrpcClient, type Json, jsonOf, methodsOf, struct } from '../support/grpc-client.ts';
import { eventually } from '../support/money.ts';

const policies = 'llm.policy.v1.PolicyService';
const healthService = 'grpc.health.v1.Health';
const bearer = { authorization: `Bearer ${teamKey}` };
const readerKey = ['lpk', 'readerkey001', 'r'.repeat(43)].join('_');
const reader = { 'x-api-key': readerKey };
const writerKey = ['lpk', 'writerkey001', 'w'.repeat(43)].join('_');

const house = `
metadata: { id: house, name: House, version: 2.1.0, priority: 5 }
rules:
  - id: dear
    condition: { operator: gt, field: llm.estimatedCost, value: 1 }
    action: { decision: deny, reason: "Too dear for \${team.id}", status: 402 }
  - id: cheaper
    condition: { operator: eq, field: llm.model, value: gpt-4o }
    action: { decision: modify, substitute_model: gpt-4o-mini, reason: Cheaper }
`;
const contexts = {
  denied: { llm: { model: 'gpt-4o', estimatedCost: 2.5 }, team: { id: 't1' }, user: { id: 'jane' } },
  modified: { llm: { model: 'gpt-4o', estimatedCost: 0 }, metadata: { nested: [1, 'a', null, { b: true }] } },
  nothing: {},
};

let gateway: TestGateway;
let client: GrpcClient;
beforeAll(async () => {
  gateway = await startGateway({
    policies: { house },
    providers: { demo: { id: 'demo', format: 'demo', models: { demo: {}, 'gpt-4o-mini': {} } } },
    team: {
      keys: [
        ref('TEST_TEAM_KEY'),
        { key: ref('READER_KEY'), scopes: ['policy:read'] },
        { key: ref('WRITER_KEY'), scopes: ['policy:write', 'policy:read'] },
      ],
    },
    config: { grpc: { port: 0, publishing: true } },
    env: { READER_KEY: readerKey, WRITER_KEY: writerKey },
  });
  client = new GrpcClient(gateway.gateway.addresses.grpc!);
});
afterAll(async () => {
  client.close();
  await gateway.close();
});

async function rest(path: string, body: unknown): Promise<Json> {
  const response = await fetch(gateway.origin + path, {
    method: 'POST',
    headers: { ...bearer, 'x-request-id': 'mine' },
    body: JSON.stringify(body),
  });
  return (await response.json()) as Json;
}

const said = ({ evaluationTimeMs, timestamp, ...rest }: Json) => {
  expect(evaluationTimeMs).toBeGreaterThanOrEqual(0);
  expect(Math.abs(Date.parse(timestamp) - Date.now())).toBeLessThan(60_000);
  return JSON.stringify(rest);
};

const refusal = async (answer: Promise<unknown>) => {
  const error = await answer.then(
    () => expect.unreachable('it was answered'),
    (thrown: unknown) => thrown as { code: number; details: string; metadata: { get(name: string): unknown[] } },
  );
  return { code: error.code, details: error.details, own: error.metadata.get('x-llm-code')[0] };
};

describe('Evaluate', () => {
  test.each(Object.entries(contexts))('answers what REST answers, byte for byte: %s', async (_name, context) => {
    const { body, head } = await client.ask(
      policies,
      'Evaluate',
      { context: struct(context) },
      { ...bearer, 'x-request-id': 'mine' },
    );
    expect(said(body)).toBe(said(await rest('/api/v1/evaluate', { context })));
    expect(body.requestId).toBe('mine');
    expect(head.get('x-request-id')).toEqual(['mine']);
  });

  test('gives back the request id of the message', async () => {
    const asked = { requestId: 'own', context: struct({}) };
    expect((await client.ask(policies, 'Evaluate', asked, bearer)).body.requestId).toBe('own');
    expect((await client.ask(policies, 'Evaluate', { context: struct({}) }, bearer)).body.requestId).toMatch(/^ex_/);
  });

  test('is counted like an evaluation over REST', async () => {
    const count = async () => {
      const text = await (await fetch(`${gateway.metrics}/metrics`)).text();
      return Number(/llm_policy_evaluations_total\{decision="deny"\} (\d+)/.exec(text)?.[1] ?? 0);
    };
    const before = await count();
    await client.ask(policies, 'Evaluate', { context: struct(contexts.denied) }, bearer);
    expect(await count()).toBe(before + 1);
  });

  test('refuses a request without a context, naming it, and one that is nested too deep', async () => {
    const without = await refusal(client.ask(policies, 'Evaluate', {}, bearer));
    expect(without).toMatchObject({ code: status.INVALID_ARGUMENT, own: 'invalid_request' });
    expect(without.details).toContain('`context`');
    const nested = (levels: number) => {
      let deep: object = {};
      for (let at = 2; at < levels; at += 1) deep = { deep };
      return client.ask(policies, 'Evaluate', { context: struct({ metadata: deep }) }, bearer);
    };
    expect((await nested(32)).body.decision.decision).toBe('allow');
    expect(await refusal(nested(33))).toMatchObject({ code: status.INVALID_ARGUMENT, own: 'invalid_request' });
    // So deep, it is not even read.
    expect((await refusal(nested(2000))).code).toBe(status.INTERNAL);
  });

  test('takes no message that is longer than 4 MiB', async () => {
    const long = struct({ metadata: { text: 'x'.repeat(4_200_000) } });
    expect(await refusal(client.ask(policies, 'Evaluate', { context: long }, bearer))).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
    });
  });

  test('is not answered after its deadline', async () => {
    const late = await refusal(client.ask(policies, 'Evaluate', { context: struct({}) }, bearer, -1));
    expect(late.code).toBe(status.DEADLINE_EXCEEDED);
  });
});

describe('EvaluateBatch', () => {
  test('answers what REST answers, in order', async () => {
    const requests = Object.values(contexts).map((context) => ({ context: struct(context) }));
    const { body } = await client.ask(policies, 'EvaluateBatch', { requests }, { ...bearer, 'x-request-id': 'mine' });
    const told = await rest(
      '/api/v1/evaluate/batch',
      Object.values(contexts).map((context) => ({ context })),
    );
    expect(body.results.map((one: Json) => JSON.parse(said(one)))).toEqual(
      told.results.map((one: Json) => JSON.parse(said(one))),
    );
    expect(body.count).toBe(3);
  });

  test('is bounded, and names the request that is wrong', async () => {
    const many = Array.from({ length: 101 }, () => ({ context: struct({}) }));
    expect((await refusal(client.ask(policies, 'EvaluateBatch', { requests: many }, bearer))).details).toContain(
      '1 to 100',
    );
    expect((await refusal(client.ask(policies, 'EvaluateBatch', {}, bearer))).code).toBe(status.INVALID_ARGUMENT);
    const wrong = [{ context: struct({}) }, {}];
    expect((await refusal(client.ask(policies, 'EvaluateBatch', { requests: wrong }, bearer))).details).toContain(
      '[1].context',
    );
  });
});

describe('EvaluateStream', () => {
  test('answers each request in order, and goes on after one that is wrong', async () => {
    const stream = client.duplex(policies, 'EvaluateStream', { ...bearer, 'x-request-id': 's' });
    stream.write({ context: struct(contexts.denied) });
    stream.write({ requestId: 'bad' });
    stream.write({ requestId: 'last', context: struct(contexts.modified) });
    stream.end();
    const { messages, error } = await drained(stream);
    expect(error).toBeUndefined();
    const [denied, bad, last] = messages.map((message) => jsonOf(message, 'llm.policy.v1.EvaluateResponse'));
    expect([denied!.requestId, denied!.decision.decision]).toEqual(['s-0', 'deny']);
    expect(bad).toMatchObject({ requestId: 'bad', error: { code: 'invalid_request', param: 'context' } });
    expect(bad!.decision).toBeUndefined();
    expect([last!.requestId, last!.decision.modifications.substituteModel]).toEqual(['last', 'gpt-4o-mini']);
  });

  test('takes more requests than fit in between, and loses none', async () => {
    const stream = client.duplex(policies, 'EvaluateStream', bearer);
    const answers = drained(stream);
    for (let at = 0; at < 3000; at += 1) stream.write({ requestId: `r${at}`, context: struct(contexts.denied) });
    stream.end();
    const { messages } = await answers;
    expect(messages.map(({ requestId }) => requestId)).toEqual(Array.from({ length: 3000 }, (_, at) => `r${at}`));
  });
});

describe('who may ask', () => {
  const scopes: Record<string, { good: Record<string, string>; bad: Record<string, string> }> = {
    Evaluate: { good: bearer, bad: reader },
    EvaluateBatch: { good: bearer, bad: reader },
    EvaluateStream: { good: bearer, bad: reader },
    LoadPolicy: { good: { 'x-api-key': writerKey }, bad: reader },
    UnloadPolicy: { good: { 'x-api-key': writerKey }, bad: reader },
    ListPolicies: { good: reader, bad: bearer },
    GetPolicy: { good: reader, bad: bearer },
    SubscribeUpdates: { good: reader, bad: bearer },
    GetMetrics: { good: reader, bad: bearer },
  };

  const call = async (name: string, headers: Record<string, string>): Promise<number> => {
    const { requestStream, responseStream } = methodsOf(policies)[name]!;
    if (!responseStream) return (await refusal(client.ask(policies, name, {}, headers))).code;
    const stream = requestStream ? client.duplex(policies, name, headers) : client.listen(policies, name, {}, headers);
    const { error } = await drained(stream);
    return error?.code ?? status.OK;
  };

  test('every method of the service is listed here', () => {
    expect(Object.keys(methodsOf(policies)).sort()).toEqual(Object.keys(scopes).sort());
  });

  test.each(Object.keys(scopes))('%s needs a key of a team, with its scope', async (name) => {
    expect(await call(name, {})).toBe(status.UNAUTHENTICATED);
    expect(await call(name, { authorization: `Bearer ${adminKey}` })).toBe(status.UNAUTHENTICATED);
    expect(await call(name, scopes[name]!.bad)).toBe(status.PERMISSION_DENIED);
  });
});

describe('policies', () => {
  test('are listed with where they come from, and told one by one', async () => {
    const { body } = await client.ask(policies, 'ListPolicies', {}, reader);
    expect(body).toMatchObject({ count: 1, program: gateway.gateway.program });
    const [policy] = body.policies;
    expect(policy).toMatchObject({
      id: 'house',
      namespace: 'default',
      version: '2.1.0',
      status: 'active',
      priority: 5,
      rules: 2,
      source: 'file',
      readonly: true,
    });
    const one = (await client.ask(policies, 'GetPolicy', { id: 'house' }, reader)).body;
    expect(one).toMatchObject(policy);
    const none = await refusal(client.ask(policies, 'GetPolicy', { id: 'nobody' }, reader));
    expect(none.code).toBe(status.NOT_FOUND);
    expect((await refusal(client.ask(policies, 'GetPolicy', {}, reader))).code).toBe(status.INVALID_ARGUMENT);
  });

  test('are put in force and taken out again, all or none; subscribers are told, and the change is recorded', async () => {
    const writer = { 'x-api-key': writerKey };
    const updates = client.listen(policies, 'SubscribeUpdates', {}, writer);
    const told: Json[] = [];
    updates.on('data', (message) => told.push(jsonOf(message, 'llm.policy.v1.PolicyUpdate')));
    updates.on('error', () => {});
    await eventually('the set in force', () => told.length === 1);
    expect(told[0]).toMatchObject({ program: gateway.gateway.program, loaded: ['default/house'] });
    const of = (id: string, condition: string) =>
      `metadata: { id: ${id}, name: ${id}, version: 1.0.0 }\nrules:\n  - { id: r, when: ${condition}, action: { decision: deny, reason: ${id} } }\n`;
    const good = of('cautious', 'llm.model == "danger"');
    const broken = await refusal(
      client.ask(policies, 'LoadPolicy', { texts: [good, of('broken', 'llm.modle == 1')] }, writer),
    );
    expect(broken).toMatchObject({ code: status.INVALID_ARGUMENT, own: 'invalid_request' });
    expect(broken.details).toContain('llm.modle');
    const context = struct({ llm: { model: 'danger' } });
    const decided = async () => (await client.ask(policies, 'Evaluate', { context }, bearer)).body.decision.decision;
    expect(await decided()).toBe('allow');

    const loaded = (
      await client.ask(policies, 'LoadPolicy', { texts: [good, of('second', 'llm.model == "never"')] }, writer)
    ).body;
    expect(loaded.policies.map(({ id, source }: Json) => [id, source])).toEqual([
      ['cautious', 'managed'],
      ['second', 'managed'],
    ]);
    expect(await decided()).toBe('deny');
    expect((await client.ask(policies, 'GetPolicy', { id: 'cautious' }, writer)).body.text).toContain('danger');
    const readonly = await refusal(client.ask(policies, 'UnloadPolicy', { id: 'house' }, writer));
    expect(readonly.code).toBe(status.FAILED_PRECONDITION);
    for (const id of ['cautious', 'second']) {
      expect((await client.ask(policies, 'UnloadPolicy', { id }, writer)).body).toEqual({
        id,
        namespace: 'default',
        unloaded: true,
      });
    }
    expect(await decided()).toBe('allow');
    expect((await refusal(client.ask(policies, 'UnloadPolicy', { id: 'cautious' }, writer))).code).toBe(
      status.NOT_FOUND,
    );
    await eventually('all changes', () => told.length === 4);
    expect(told.slice(1).map((change) => [change.loaded, change.unloaded])).toEqual([
      [['default/cautious', 'default/second'], []],
      [[], ['default/cautious']],
      [[], ['default/second']],
    ]);
    expect(new Set(told.map(({ revision }) => revision)).size).toBe(4);
    updates.cancel();
    const recorded = async () => {
      const response = await fetch(`${gateway.admin}/admin/v1/records?decision=admin`, {
        headers: { authorization: `Bearer ${adminKey}` },
      });
      const { records } = (await response.json()) as Json;
      return records.map((record: Json) => record.change.action) as string[];
    };
    await eventually('the records of the changes', async () => (await recorded()).length === 4);
    expect((await recorded()).sort()).toEqual(['policy.publish', 'policy.publish', 'policy.unload', 'policy.unload']);
  });

  test('metrics are those of the metrics listener', async () => {
    const { body } = await client.ask(policies, 'GetMetrics', {}, reader);
    expect(body.text).toContain('llm_policy_evaluations_total');
    expect(body.contentType).toContain('text/plain');
  });
});

describe('health', () => {
  test('is told of the server and of its services, without a key', async () => {
    for (const service of ['', policies, 'grpc.reflection.v1.ServerReflection']) {
      expect((await client.ask(healthService, 'Check', { service })).body).toEqual({ status: 'SERVING' });
    }
    expect((await refusal(client.ask(healthService, 'Check', { service: 'nobody' }))).code).toBe(status.NOT_FOUND);
  });
});

describe('reflection', () => {
  test.each(['v1', 'v1alpha'])('%s tells files from which a client can build the services', async (version) => {
    const stream = client.duplex(`grpc.reflection.${version}.ServerReflection`, 'ServerReflectionInfo');
    const answers = drained(stream);
    stream.write({ listServices: '' });
    stream.write({ fileContainingSymbol: `${policies}.Evaluate` });
    stream.write({ fileByFilename: 'google/protobuf/struct.proto' });
    stream.write({ fileContainingSymbol: 'no.such.thing' });
    stream.write({ fileContainingSymbol: healthService });
    stream.end();
    const [services, symbol, file, unknown, health] = (await answers).messages;
    expect(services!.listServicesResponse.service.map(({ name }: Json) => name)).toEqual([
      policies,
      healthService,
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
    ]);
    expect(unknown!.errorResponse.errorCode).toBe(status.NOT_FOUND);
    expect(file!.fileDescriptorResponse.fileDescriptorProto).toHaveLength(1);
    const files = (answer: Json): FileDescriptorProto[] =>
      answer.fileDescriptorResponse.fileDescriptorProto.map((bytes: Buffer) =>
        fromBinary(FileDescriptorProtoSchema, bytes),
      );
    const registry = createFileRegistry({
      $typeName: 'google.protobuf.FileDescriptorSet',
      file: [...files(symbol!), ...files(health!)].reverse(),
    });
    const service = registry.getService(policies)!;
    expect(service.methods.map(({ name }) => name)).toEqual(Object.keys(methodsOf(policies)));
    const response = registry.getMessage('llm.policy.v1.EvaluateResponse')!;
    expect(response.fields.map(({ name, jsonName }) => [name, jsonName])).toContainEqual([
      'evaluation_time_ms',
      'evaluationTimeMs',
    ]);
    // What is `optional` there is no choice of one.
    expect(response.oneofs).toEqual([]);
    expect(registry.getMessage('grpc.health.v1.HealthCheckRequest')).toBeDefined();
  });
});

describe('shutting down', () => {
  test('ends open streams with UNAVAILABLE, tells watchers of health, and takes no more calls', async () => {
    const other = await startGateway({
      providers: { demo: { id: 'demo', format: 'demo', models: { demo: {} } } },
      config: { grpc: { port: 0 } },
    });
    const asking = new GrpcClient(other.gateway.addresses.grpc!);
    const stream = asking.duplex(policies, 'EvaluateStream', bearer);
    const answers = drained(stream);
    const watched = drained(asking.listen(healthService, 'Watch', { service: policies }));
    stream.write({ requestId: 'one', context: struct({}) });
    await new Promise((resolve) => stream.once('data', resolve));
    await other.close();
    const { error } = await answers;
    expect(error).toMatchObject({ code: status.UNAVAILABLE });
    expect(error?.metadata.get('x-llm-code')).toEqual(['no_healthy_provider']);
    expect((await watched).messages.map((message) => message.status)).toEqual(['SERVING', 'NOT_SERVING']);
    expect((await refusal(asking.ask(healthService, 'Check', {}))).code).toBe(status.UNAVAILABLE);
    asking.close();
  });

  test('a port that is taken is told with the setting to change', async () => {
    const port = Number(gateway.gateway.addresses.grpc!.split(':')[1]);
    const second = startGateway({
      providers: { demo: { id: 'demo', format: 'demo', models: { demo: {} } } },
      config: { grpc: { port } },
    });
    await expect(second).rejects.toThrow(
      /is taken: another program listens there; set grpc.host and grpc.port \(or GRPC_PORT\)/,
    );
  });
});
