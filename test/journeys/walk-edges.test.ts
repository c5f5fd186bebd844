import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { call, startGateway, type TestGateway, type TestGatewayOptions, teamKey } from '../support/gateway.ts';
import { openSocket } from '../support/raw-http.ts';

async function start(options: TestGatewayOptions): Promise<{ gateway: TestGateway; provider: FakeProvider }> {
  const provider = await startFakeProvider({ key: 'upstream-secret-key' });
  const gateway = await startGateway({ openai: provider.baseUrl, ...options });
  onTestFinished(async () => {
    await gateway.close();
    await provider.close();
  });
  return { gateway, provider };
}

const ask = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] };
const policy = (condition: string, action: string) =>
  `metadata: { id: one, name: One, version: 1.0.0 }\nrules:\n  - { id: it, condition: ${condition}, action: ${action} }\n`;

test('a header of the request is a fact, credentials are not', async () => {
  const { gateway, provider } = await start({
    policies: {
      colour: policy(
        '{ operator: or, conditions: [{ operator: eq, field: request.headers.x-colour, value: red }, { operator: exists, field: request.headers.authorization }] }',
        '{ decision: deny, reason: red }',
      ),
    },
  });
  expect((await call(gateway, '/v1/chat/completions', ask, { 'x-colour': 'blue' })).status).toBe(200);
  expect((await call(gateway, '/v1/chat/completions', ask, { 'x-colour': 'red' })).status).toBe(403);
  expect(provider.requests.length).toBe(1);
});

test('where the default is deny, the reply to a call that a rule allowed is not denied by the same default', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'llm-policy-edges-'));
  const { gateway, provider } = await start({
    directory,
    policies: {
      only: policy('{ operator: eq, field: llm.model, value: gpt-4o }', '{ decision: allow, reason: listed }'),
    },
    config: { policies: { path: join(directory, 'policies'), default: 'deny' } },
  });
  for (const stream of [false, true]) {
    const response = await call(gateway, '/v1/chat/completions', { ...ask, stream });
    expect([stream, response.status]).toEqual([stream, 200]);
    expect(await response.text()).toContain('Hello');
  }
  expect((await call(gateway, '/v1/chat/completions', { ...ask, model: 'gpt-4o-mini' })).status).toBe(403);
  expect(provider.requests.length).toBe(2);
});

test('a stream reaches a client of HTTP/1.0, which some proxies are to their upstreams', async () => {
  const { gateway } = await start({});
  const body = JSON.stringify({ ...ask, stream: true });
  const said = await new Promise<string>((resolve, reject) => {
    const socket = openSocket(gateway.origin);
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes;
    });
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
    socket.write(
      `POST /v1/chat/completions HTTP/1.0\r\nAuthorization: Bearer ${teamKey}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  });
  expect(said).toMatch(/^HTTP\/1\.1 200 /);
  expect(said.toLowerCase()).toContain('content-type: text/event-stream');
  expect(said).toContain('Hello');
  expect(said.trimEnd().endsWith('data: [DONE]')).toBe(true);
});

test('calls sent one behind the other on a connection are answered whole and in that order, whichever is ready first', async () => {
  const { gateway, provider } = await start({});
  const message = { role: 'assistant', content: 'Größer 漢字', refusal: null };
  const slow = Buffer.from(
    JSON.stringify({ object: 'chat.completion', choices: [{ index: 0, message, finish_reason: 'stop' }] }),
  );
  provider.reply = ({ body }) =>
    body.user === 'slow'
      ? { pace_ms: 150, raw: { contentType: 'application/json', chunks: [slow.subarray(0, 60), slow.subarray(60)] } }
      : { text: 'Quick.' };
  const request = (method: string, path: string, body: object | undefined, more = '') => {
    const bytes = body === undefined ? '' : JSON.stringify(body);
    const head = `Host: here\r\nAuthorization: Bearer ${teamKey}\r\nContent-Type: application/json\r\n${more}`;
    return `${method} ${path} HTTP/1.1\r\n${head}Content-Length: ${Buffer.byteLength(bytes)}\r\n\r\n${bytes}`;
  };
  const said = await new Promise<Buffer>((resolve, reject) => {
    const socket = openSocket(gateway.origin);
    const pieces: Buffer[] = [];
    socket.on('data', (bytes: Buffer) => pieces.push(bytes));
    socket.on('close', () => resolve(Buffer.concat(pieces)));
    socket.on('error', reject);
    socket.write(
      request('POST', '/v1/chat/completions', { ...ask, user: 'slow' }) +
        request('POST', '/v1/chat/completions', ask) +
        request('HEAD', '/v1/nowhere', undefined) +
        request('POST', '/v1/chat/completions', { ...ask, model: 'nobody-has-it' }) +
        request('POST', '/v1/chat/completions', ask, 'Connection: close\r\n'),
    );
  });
  const replies: [number, string][] = [];
  for (let rest = said, nth = 0; rest.length > 0; nth += 1) {
    const end = rest.indexOf('\r\n\r\n') + 4;
    const head = rest.subarray(0, end).toString();
    // What answers a HEAD tells the length of what it leaves out.
    const length = nth === 2 ? 0 : Number(/^content-length: (\d+)/im.exec(head)?.[1]);
    replies.push([Number(head.slice(9, 12)), rest.subarray(end, end + length).toString()]);
    rest = rest.subarray(end + length);
  }
  expect(replies.map(([status]) => status)).toEqual([200, 200, 404, 404, 200]);
  expect(replies[0]?.[1]).toBe(slow.toString());
  for (const nth of [1, 4]) expect(JSON.parse(replies[nth]?.[1] ?? '').choices[0].message.content).toBe('Quick.');
  expect(JSON.parse(replies[3]?.[1] ?? '').error.message).toContain('nobody-has-it');
});
