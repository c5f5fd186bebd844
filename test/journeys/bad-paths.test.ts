import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { teamKey } from '../support/gateway.ts';
import { rawBytes } from '../support/raw-http.ts';
import { anthropic, openai, type RefusalHouse, startRefusals } from '../support/refusals.ts';

let house: RefusalHouse;
beforeAll(async () => {
  house = await startRefusals();
});
afterEach(() => house.serves());
afterAll(() => house.close());

const refused: RefusalHouse['refused'] = (...args) => house.refused(...args);

describe('one parsed path (PITFALLS 67)', () => {
  const targets = [
    '//v1/chat/completions',
    '/v1//chat/completions',
    '/V1/chat/completions',
    '/v1/Chat/Completions',
    '/v1/chat/completions/',
    '/v1/chat%2Fcompletions',
    '/v1%2fchat%2fcompletions',
    '/v1/./chat/completions',
    '/v1/models/../chat/completions',
    '/v1/models/%2e%2e/chat/completions',
    '/v1/chat/completions;x=1',
    '/v1\\chat\\completions',
    '/v1/chat/completions%00',
    '/v1/embeddings',
    '/v2/chat/completions',
    '/',
  ];
  test.each(targets)('%s is not served, with a key and without', async (target) => {
    const body = JSON.stringify(openai.body);
    const wanted = { status: 404, code: 'not_supported', message: /is not served/ };
    await refused(openai, { target, body }, wanted);
    await refused(openai, { target, body, headers: [] }, wanted);
  });

  test('a path nobody can read is refused', async () => {
    await refused(openai, { target: '/v1/%zz' }, { status: 400, code: 'invalid_request', message: /url/ });
  });

  test('a spelling the router takes for the same path is judged as that path', async () => {
    const body = JSON.stringify(openai.body);
    const wanted = { status: 401, code: 'invalid_api_key', message: /No API key/ };
    for (const target of [
      '/v1/ch%61t/completions',
      'http://elsewhere.example/v1/chat/completions',
      '/v1/chat/completions?a=/health',
    ])
      await refused(openai, { target, body, headers: [] }, wanted);
  });

  test('hosts and forwarded paths decide nothing', async () => {
    const body = JSON.stringify(openai.body);
    for (const headers of [
      [['Host', 'admin.internal']],
      [['Host', '127.0.0.1/health?']],
      [
        ['X-Forwarded-Host', 'admin'],
        ['X-Original-URL', '/health'],
        ['X-Rewrite-URL', '/health'],
      ],
      [
        ['X-HTTP-Method-Override', 'GET'],
        ['Forwarded', 'for=127.0.0.1;host=admin'],
      ],
    ] as [string, string][][]) {
      await refused(openai, { body, headers }, { status: 401, code: 'invalid_api_key', message: /No API key/ });
    }
  });

  test('an unknown path of Anthropic answers in its language', async () => {
    const wanted = { status: 404, code: 'not_supported', message: /is not served/ };
    await refused(anthropic, { target: '/v1/messages/batches', body: '{}' }, wanted);
    const headers = [
      ['x-api-key', teamKey],
      ['anthropic-version', '2023-06-01'],
    ] as const;
    await refused(anthropic, { target: '/v1/complete', body: '{}', headers }, wanted);
  });
});

describe('what is no request', () => {
  const garbage: Record<string, [string, number]> = {
    words: ['HELLO\r\n\r\n', 400],
    'two lengths': [
      `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
      400,
    ],
    'a length and pieces': [
      `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}`,
      400,
    ],
    'headers without end': [`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(100_000)}\r\n\r\n`, 431],
  };
  test.each(Object.entries(garbage))('%s: refused with an id, and hung up on', async (_name, [bytes, status]) => {
    const reply = await rawBytes(house.gateway.origin, Buffer.from(bytes));
    expect(reply.status).toBe(status);
    expect(openai.error(reply.body).code).toBe('invalid_request');
    expect(reply.headers['x-request-id']).toMatch(/^ex_/);
    expect(reply.headers.connection).toBe('close');
  });
});

test('every refusal left exactly one record, which says why', () => house.recorded());
