import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEdge, type Edge } from '../../src/edge.ts';
import { readModule } from '../../src/rails/index.ts';
import { run } from '../cli/world.ts';
import { openAsking } from '../support/asking.ts';
import { startGateway, type TestGateway, teamKey } from '../support/gateway.ts';
import { GrpcClient, jsonOf, struct } from '../support/grpc-client.ts';
import { startPdp, type TestPdp } from '../support/pdp.ts';
import { type Corpus, corpora, withoutTimes, writeModules } from './corpus.ts';

type Context = Record<string, unknown>;
/** A way to the engine: a context in, the answer as JSON out. */
type Shape = (context: Context) => Promise<object>;

const compiledModule = (bytes: Uint8Array) => readModule(bytes).module;
const demo = (id: string) => ({
  id,
  format: 'demo',
  models: { [id === 'demo' ? 'demo' : `${id}-small`]: {}, small: {} },
});

const service = 'llm.policy.v1.PolicyService';
const bearer = { authorization: `Bearer ${teamKey}` };

const overRest =
  (origin: () => string): Shape =>
  async (context) => {
    const response = await fetch(`${origin()}/api/v1/evaluate`, {
      method: 'POST',
      headers: bearer,
      body: JSON.stringify({ requestId: 'r-1', context }),
    });
    expect(response.status).toBe(200);
    return (await response.json()) as object;
  };

const overGrpc =
  (client: () => GrpcClient): Shape =>
  async (context) =>
    (await client().ask(service, 'Evaluate', { requestId: 'r-1', context: struct(context) }, bearer)).body;

const overGrpcStream =
  (client: () => GrpcClient): Shape =>
  async (context) => {
    const stream = client().duplex(service, 'EvaluateStream', bearer);
    stream.end({ requestId: 'r-1', context: struct(context) });
    for await (const message of stream) return jsonOf(message, 'llm.policy.v1.EvaluateResponse');
    return expect.unreachable('the stream ended without an answer');
  };

const overWebSocket =
  (origin: () => string): Shape =>
  async (context) => {
    const stream = await openAsking(origin());
    stream.say({ requestId: 'r-1', context });
    const answer = (await stream.next()) as object;
    stream.socket.close();
    await stream.over;
    return answer;
  };

/** Byte-equal decisions, whatever the way: ids and timings aside. Workers of an edge have a test of their own. */
describe.each(corpora.map((corpus) => [corpus.name, corpus] as const))('%s', (_name, corpus: Corpus) => {
  let gateway: TestGateway;
  let pdp: TestPdp;
  let edge: Edge;
  let clients: readonly GrpcClient[] = [];
  const directory = mkdtempSync(join(tmpdir(), 'llm-policy-shapes-'));

  beforeAll(async () => {
    const policies = { corpus: corpus.text };
    writeFileSync(join(directory, 'corpus.yaml'), corpus.text);
    const places = Array.from({ length: 2 }, () => mkdtempSync(join(tmpdir(), 'llm-policy-shapes-')));
    for (const place of [directory, ...places.map((one) => join(one, 'policies'))]) await writeModules(corpus, place);
    const modules = Object.entries(await corpus.modules()).map(
      ([path, bytes]) => [path, compiledModule(bytes)] as const,
    );
    edge = createEdge({
      policies: corpus.text,
      default: corpus.default,
      authorize: 'open',
      modules: Object.fromEntries(modules),
    });
    gateway = await startGateway({
      policies,
      directory: places[0] as string,
      providers: Object.fromEntries(['demo', 'eu-one', 'eu-two'].map((id) => [id, demo(id)])),
      config: {
        models: { small: { candidates: [{ provider: 'demo', model: 'small' }] } },
        grpc: { port: 0 },
        policies: { path: './policies', default: corpus.default },
      },
    });
    pdp = await startPdp({ policies, directory: places[1] as string, default: corpus.default });
    clients = [gateway.gateway.addresses.grpc!, pdp.pdp.addresses.grpc!].map((address) => new GrpcClient(address));
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    await Promise.all([gateway.close(), pdp.close()]);
    rmSync(directory, { recursive: true, force: true });
  });

  const shapes: Record<string, Shape> = {
    'the gateway over REST': overRest(() => gateway.origin),
    'the gateway over gRPC': overGrpc(() => clients[0]!),
    'a gRPC stream of the gateway': overGrpcStream(() => clients[0]!),
    'a WebSocket of the gateway': overWebSocket(() => gateway.origin),
    'a WebSocket of the daemon': overWebSocket(() => pdp.origin),
    'the daemon over REST': overRest(() => pdp.origin),
    'the daemon over gRPC': overGrpc(() => clients[1]!),
    'the command line': async (context) => {
      const args = ['evaluate', 'corpus.yaml', '--context', JSON.stringify(context), '--default', corpus.default];
      const { requestId: _own, ...answer } = JSON.parse((await run(directory, [...args, '--json'])).out) as Context;
      return { requestId: 'r-1', ...answer };
    },
    'the edge': async (context) => {
      const body = JSON.stringify({ requestId: 'r-1', context });
      const response = await edge.fetch(new Request('http://edge/api/v1/evaluate', { method: 'POST', body }));
      return (await response.json()) as object;
    },
  };

  test.each(Object.entries(shapes))('%s decides as the library does', async (_shape, ask) => {
    expect(corpus.requests.length).toBeGreaterThan(0);
    for (const one of corpus.requests) {
      expect(withoutTimes(await ask(one.context)), one.name).toBe(await one.expected());
    }
  });
});
