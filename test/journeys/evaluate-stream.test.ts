import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { openAsking } from '../support/asking.ts';
import { adminKey, call, ref, startGateway, type TestGateway, teamKey } from '../support/gateway.ts';
import { heapInUse } from '../support/heap.ts';
import { eventually } from '../support/wait.ts';

const policy = `
metadata: { id: house, name: House, version: 1.0.0 }
rules:
  - id: dear
    condition: { operator: gt, field: llm.estimatedCost, value: 1 }
    action: { decision: deny, reason: Too dear }
`;
const readerKey = ['lpk', 'readerkey001', 'r'.repeat(43)].join('_');
const slowKey = ['lpk', 'slowkey00001', 's'.repeat(43)].join('_');

const options = {
  policies: { house: policy },
  providers: { demo: { id: 'demo', format: 'demo', models: { demo: {} } } },
  team: {
    keys: [ref('TEST_TEAM_KEY'), { key: ref('READER_KEY'), scopes: ['policy:read'] }, { key: ref('SLOW_KEY') }],
  },
  env: { READER_KEY: readerKey, SLOW_KEY: slowKey },
};
let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway(options);
});
afterAll(() => gateway.close());

const cost = (estimatedCost: number) => ({ context: { llm: { estimatedCost } } });

describe('a stream of questions', () => {
  test('is answered message by message, in order, each with its id', async () => {
    const stream = await openAsking(gateway.origin);
    for (let id = 0; id < 200; id += 1) stream.say({ id, ...cost(id % 2 === 0 ? 0 : 2) });
    for (let id = 0; id < 200; id += 1) {
      const { id: told, decision } = await stream.next();
      expect([told, decision.decision]).toEqual([id, id % 2 === 0 ? 'allow' : 'deny']);
    }
    stream.say({ id: 'mine', requestId: 'r-1', ...cost(2) });
    expect(await stream.next()).toMatchObject({ id: 'mine', requestId: 'r-1', decision: { reason: 'Too dear' } });
    stream.say(cost(2));
    expect(Object.keys(await stream.next())).not.toContain('id');
    stream.socket.close();
    expect((await stream.over).code).toBe(1005);
  });

  test('tells what is wrong with a question, and goes on', async () => {
    const stream = await openAsking(gateway.origin);
    const wrong: [unknown, object][] = [
      ['{', { error: { code: 'invalid_request' } }],
      ['{"context": {}, "context": {}}', { error: { code: 'invalid_request' } }],
      [[], { error: { code: 'invalid_request' } }],
      [{ id: 7 }, { id: 7, error: { param: 'context', code: 'invalid_request', type: 'invalid_request_error' } }],
      [
        { id: 'x', context: {}, polices: [] },
        { id: 'x', error: { param: 'polices' } },
      ],
      [{ id: {}, context: {} }, { error: { param: 'id' } }],
    ];
    for (const [question, told] of wrong) {
      stream.say(question);
      expect(await stream.next()).toMatchObject(told);
    }
    stream.say({ id: 1, ...cost(0) });
    expect(await stream.next()).toMatchObject({ id: 1, decision: { allowed: true } });
    stream.socket.terminate();
  });

  test('is let in as REST is: the status is that of HTTP', async () => {
    const opened = (key: string | null) => openAsking(gateway.origin, { key });
    await expect(opened(null)).rejects.toMatchObject({ status: 401, body: /invalid_api_key/ });
    await expect(opened('wrong')).rejects.toMatchObject({ status: 401 });
    await expect(opened(readerKey)).rejects.toMatchObject({ status: 403, body: /policy:evaluate/ });
    await expect(openAsking(gateway.origin, { path: '/api/v1/evaluate/streams' })).rejects.toMatchObject({
      status: 404,
    });
    const plain = await fetch(`${gateway.origin}/api/v1/evaluate/stream`, {
      headers: { authorization: `Bearer ${teamKey}` },
    });
    expect([plain.status, plain.headers.get('upgrade')]).toEqual([426, 'websocket']);
  });

  test('a message that is no text, or too long, ends it', async () => {
    const bytes = await openAsking(gateway.origin);
    bytes.socket.send(Buffer.from(JSON.stringify(cost(0))));
    expect((await bytes.over).code).toBe(1003);
    const long = await openAsking(gateway.origin);
    long.say({ context: { llm: { prompt: 'x'.repeat(1_100_000) } } });
    expect((await long.over).code).toBe(1009);
  });

  test('ends when its key is revoked', async () => {
    const made = await fetch(`${gateway.admin}/admin/v1/keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminKey}` },
      body: JSON.stringify({ organization: 'acme', team: 'research' }),
    });
    const { id, key } = (await made.json()) as { id: string; key: string };
    const stream = await openAsking(gateway.origin, { key });
    stream.say({ id: 1, ...cost(0) });
    expect(await stream.next()).toMatchObject({ id: 1 });
    await fetch(`${gateway.admin}/admin/v1/keys/${id}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${adminKey}` },
    });
    expect(await stream.over).toEqual({ code: 1008, reason: 'the key is not valid' });
  });

  test('answers pings', async () => {
    const stream = await openAsking(gateway.origin);
    const pong = new Promise((resolve) => stream.socket.once('pong', (data) => resolve(String(data))));
    stream.socket.ping('there?');
    expect(await pong).toBe('there?');
    stream.socket.terminate();
  });

  test('is paused for a client that does not read, whose answers do not pile up', async () => {
    const stream = await openAsking(gateway.origin, { key: slowKey });
    const heap = () => heapInUse() + process.memoryUsage().arrayBuffers;
    stream.socket.pause();
    const question = JSON.stringify({
      context: { llm: { model: 'm', estimatedCost: 0 }, metadata: { x: 'y'.repeat(500) } },
    });
    let sent = 0;
    // What a kernel holds of a connection is not ours to know: it is full when writing no longer gets anywhere.
    for (; sent < 400_000 && stream.socket.bufferedAmount < 8_000_000; sent += 1) {
      stream.socket.send(question);
      if (sent % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(stream.socket.bufferedAmount).toBeGreaterThanOrEqual(8_000_000);
    const before = heap();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(heap() - before).toBeLessThan(16_000_000);
    expect(stream.socket.readyState).toBe(WebSocket.OPEN);
    // And goes on when it does.
    let told = 0;
    stream.socket.on('message', () => {
      told += 1;
    });
    stream.socket.resume();
    await eventually(() => told === sent, 60_000);
    stream.socket.terminate();
  }, 120_000);

  test('is told in the figures while it is open', async () => {
    const figures = async () => {
      const headers = { authorization: `Bearer ${readerKey}` };
      return (await (await fetch(`${gateway.origin}/api/v1/metrics`, { headers })).json()) as { streams: number };
    };
    await eventually(async () => (await figures()).streams === 0);
    const stream = await openAsking(gateway.origin);
    expect((await figures()).streams).toBe(1);
    stream.socket.close();
    await eventually(async () => (await figures()).streams === 0);
  });
});

describe('a request that offers another protocol', () => {
  test('is answered as if it had not, its body with it', async () => {
    const body = JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 5 });
    const said = await new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
      const asking = request(`${gateway.origin}/v1/chat/completions`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${teamKey}`,
          connection: 'Upgrade, HTTP2-Settings',
          upgrade: 'h2c',
          'http2-settings': 'AAMAAABkAAQAAP__',
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        },
      });
      asking.on('error', reject);
      asking.on('response', (response) => {
        let text = '';
        response.on('data', (bytes) => {
          text += bytes;
        });
        response.on('end', () => resolve({ status: response.statusCode, text }));
      });
      // The head first, the body in two pieces: what came after the head must not be lost.
      asking.flushHeaders();
      setTimeout(() => asking.write(body.slice(0, 20)), 30);
      setTimeout(() => asking.end(body.slice(20)), 60);
    });
    expect([said.status, JSON.parse(said.text).object]).toEqual([200, 'chat.completion']);
  });
});

describe('a gateway that stops', () => {
  test('closes its streams with 1001, and takes no new ones', async () => {
    const own = await startGateway(options);
    const stream = await openAsking(own.origin);
    stream.say({ id: 1, ...cost(0) });
    await stream.next();
    const closed = own.close();
    expect(await stream.over).toEqual({ code: 1001, reason: 'shutting down' });
    await closed;
    await expect(call(own, '/api/v1/evaluate', cost(0))).rejects.toThrow();
  });
});
