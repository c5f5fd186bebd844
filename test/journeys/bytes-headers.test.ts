import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fakeAnthropic, fakeOpenai, startGateway, type TestGateway, teamKey } from '../support/gateway.ts';
import { type RawProvider, type RawReply, rawCall, startRawProvider } from '../support/raw-provider.ts';

const formats = {
  openai: {
    path: '/v1/chat/completions',
    body: '{"model":"gpt-4o", "messages":[{"role":"user","content":"Hi"}],"max_tokens":9}',
    reply: '{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}',
  },
  anthropic: {
    path: '/v1/messages',
    body: '{"model":"claude-haiku-4-5", "max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}',
    reply:
      '{"id":"x","type":"message","role":"assistant","content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn"}',
  },
} as const;
type FormatId = keyof typeof formats;
const other = { openai: 'anthropic', anthropic: 'openai' } as const;
const both = ['openai', 'anthropic'] as const;

/** How a file names a variable of the environment. */
const fromEnv = (name: string) => `\${${name}}`;

let first: RawProvider;
let second: RawProvider;
let gateway: TestGateway;
const candidates = (...ids: string[]) => ({
  candidates: ids.map((provider) => ({ provider, model: provider.includes('openai') ? 'gpt-4o' : 'claude-haiku-4-5' })),
});

beforeAll(async () => {
  first = await startRawProvider();
  second = await startRawProvider();
  gateway = await startGateway({
    providers: {
      'fake-openai': fakeOpenai(first.baseUrl),
      'fake-anthropic': fakeAnthropic(first.baseUrl),
      'other-openai': {
        ...fakeOpenai(second.baseUrl),
        id: 'other-openai',
        headers: { 'x-tenant': 'other' },
        auth: { type: 'bearer', key: fromEnv('OTHER_KEY') },
      },
      'odd-openai': {
        ...fakeOpenai(first.baseUrl),
        id: 'odd-openai',
        headers: { 'x-tenant': 'odd', 'x-odd': 'yes' },
        auth: { type: 'header', name: 'api-key', key: fromEnv('FAKE_KEY') },
        quirks: { drop_fields: ['x_own'], rename_fields: { max_tokens: 'max_completion_tokens' } },
      },
    },
    env: { OTHER_KEY: 'other-upstream-key' },
    config: {
      models: {
        'gpt-4o': candidates('fake-openai'),
        'gpt-4o-mini': candidates('fake-openai'),
        'odd-first': candidates('odd-openai', 'other-openai'),
        'anthropic-first': candidates('fake-anthropic', 'other-openai'),
      },
      routing: { retries: 0, circuit: { failures: 1000 } },
    },
  });
});
beforeEach(() => {
  for (const provider of [first, second]) {
    provider.requests.length = 0;
    provider.answer = (response, { url }) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(formats[url.endsWith('/messages') ? 'anthropic' : 'openai'].reply);
    };
  }
});
afterAll(async () => {
  await gateway.close();
  await first.close();
  await second.close();
});

function post(format: FormatId, headers: [string, string][], body: string = formats[format].body): Promise<RawReply> {
  const named = new Set(headers.map(([name]) => name.toLowerCase()));
  const type: [string, string][] = named.has('content-type') ? [] : [['Content-Type', 'application/json']];
  const key: [string, string][] = ['authorization', 'x-api-key'].some((name) => named.has(name))
    ? []
    : [['Authorization', `Bearer ${teamKey}`]];
  return rawCall(gateway.origin + formats[format].path, { headers: [...key, ...type, ...headers], body });
}

describe.each(both)('a client of the %s format', (format) => {
  test('has its headers passed on to a provider of the same format', async () => {
    const theirs = {
      'user-agent': 'Odd/1.0 (é)',
      accept: 'application/json;q=0.9',
      'accept-language': 'nb',
      'idempotency-key': 'i-1',
      'x-stainless-retry-count': '1',
      'openai-beta': 'assistants=v2',
      'anthropic-beta': 'a-2025-01-01,b-2025-02-02',
      'anthropic-version': '2099-01-01',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      'x-custom': 'a  b;c="d"',
      'x-empty': '',
    };
    expect((await post(format, [...Object.entries(theirs), ['X-Twice', '1'], ['x-twice', '2']])).status).toBe(200);
    const [request] = first.requests;
    expect(request?.headers).toMatchObject({ ...theirs, 'x-twice': '1, 2' });
  });

  test("has no vendor's headers passed on to a provider of the other format", async () => {
    const body = formats[format].body.replace(
      /"model":"[^"]*"/,
      format === 'openai' ? '"model":"claude-haiku-4-5"' : '"model":"gpt-4o"',
    );
    const vendors: [string, string][] = [
      ['anthropic-beta', 'a-2025-01-01'],
      ['openai-beta', 'assistants=v2'],
      ['anthropic-version', '2099-01-01'],
      ['x-stainless-lang', 'js'],
      ['x-goog-user-project', 'p'],
      ['x-custom', 'c'],
    ];
    expect((await post(format, vendors, body)).status).toBe(200);
    const headers = first.requests[0]?.headers ?? {};
    const left = Object.keys(headers).filter((name) => /^(anthropic|openai|x-stainless|x-goog)-/.test(name));
    expect(left).toEqual(format === 'openai' ? ['anthropic-version'] : []);
    if (format === 'openai') expect(headers['anthropic-version']).toBe('2023-06-01');
    expect(headers['x-custom']).toBe('c');
  });

  test.each(['Authorization', 'X-Api-Key'])(
    'has its key in %s kept from every provider, with all that is about itself',
    async (name) => {
      const own: [string, string][] = [
        [name, name === 'Authorization' ? `Bearer ${teamKey}` : teamKey],
        ['Api-Key', teamKey],
        ['X-Goog-Api-Key', teamKey],
        ['Proxy-Authorization', `Bearer ${teamKey}`],
        ['Cookie', `key=${teamKey}`],
        ['X-My-Token', teamKey],
        ['X-Forwarded-For', '10.1.2.3'],
        ['Forwarded', 'for=10.1.2.3'],
        ['Via', '1.1 proxy'],
        ['X-Real-IP', '10.1.2.3'],
        ['X-LLM-User', 'jane'],
        ['X-LLM-Tags', 'a,b'],
        ['OpenAI-Organization', 'org-mine'],
        ['Accept-Encoding', 'gzip, br'],
        ['Connection', 'keep-alive, X-Hop'],
        ['X-Hop', 'here'],
        ['Keep-Alive', 'timeout=5'],
        ['TE', 'trailers'],
        ['Expect', '100-continue'],
      ];
      expect((await post(format, own)).status).toBe(200);
      const [request] = first.requests;
      const raw = request?.rawHeaders.join('\n') ?? '';
      expect(raw).not.toContain(teamKey);
      expect(raw.match(/upstream-secret-key/g)).toHaveLength(1);
      expect(request?.headers[format === 'openai' ? 'authorization' : 'x-api-key']).toContain('upstream-secret-key');
      expect(request?.headers['accept-encoding']).toBe('identity');
      expect(request?.headers.host).toBe(new URL(first.baseUrl).host);
      for (const word of ['10.1.2.3', 'x-llm-', 'org-mine', 'here', '1.1 proxy', 'expect', 'trailers']) {
        expect(raw.toLowerCase()).not.toContain(word);
      }
    },
  );

  test('has headers of a reply passed back, but not cookies, accounts, hops, nor names that are ours', async () => {
    for (const provider of [format, other[format]]) {
      const { path } = formats[provider];
      first.answer = (response) => {
        response.writeHead(
          200,
          [
            ['Content-Type', 'application/json'],
            ['X-Custom-Reply', 'a  b'],
            ['OpenAI-Processing-MS', '12'],
            ['Request-Id', 'req_upstream'],
            ['X-Twice', '1'],
            ['X-Twice', '2'],
            ['Set-Cookie', '__cf_bm=secret'],
            ['Set-Cookie', 'session=secret'],
            ['OpenAI-Organization', 'org-secret'],
            ['Anthropic-Organization-Id', 'org-secret'],
            ['OpenAI-Project', 'org-secret'],
            ['X-Request-Id', 'theirs'],
            ['X-RateLimit-Remaining-Requests', '41'],
            ['X-LLM-Provider', 'theirs'],
            ['Connection', 'keep-alive, X-Hop'],
            ['X-Hop', 'hop-secret'],
            ['Strict-Transport-Security', 'max-age=1'],
            ['Access-Control-Allow-Origin', '*'],
          ].flat(),
        );
        response.end(formats[provider].reply);
      };
      const model = provider === 'openai' ? 'gpt-4o' : 'claude-haiku-4-5';
      const body = formats[format].body.replace(/"model":"[^"]*"/, `"model":"${model}"`);
      const reply = await post(format, [['X-Request-Id', 'mine']], body);
      expect(reply.status).toBe(200);
      expect(first.requests.at(-1)?.url).toBe(path);
      expect(reply.headers).toMatchObject({
        'x-custom-reply': 'a  b',
        'openai-processing-ms': '12',
        'request-id': 'req_upstream',
        'x-twice': '1, 2',
        'x-request-id': 'mine',
        'x-llm-upstream-request-id': 'theirs',
        'x-llm-upstream-ratelimit-remaining-requests': '41',
        'x-llm-provider': `fake-${provider}`,
        'x-llm-upstream-provider': 'theirs',
      });
      expect(reply.rawHeaders.join('\n')).not.toMatch(/secret|max-age|access-control/i);
    }
  });
});

describe('after a fallback', () => {
  const fails = (provider: RawProvider, status = 503): void => {
    provider.answer = (response) => {
      response.writeHead(status, {
        'content-type': 'application/json',
        'x-first': 'yes',
        'set-cookie': 'first=secret',
        'x-request-id': 'first',
      });
      response.end('{"error":{"message":"first says no","type":"server_error"}}');
    };
  };
  const body = `{"model":"odd-first", "max_tokens":9,"x_own":1.0,"messages":[{"content":"Hi","role":"user"}] }`;

  test('nothing of the first attempt is in the second, nor in the reply', async () => {
    fails(first);
    const reply = await post(
      'openai',
      [
        ['anthropic-beta', 'b'],
        ['x-custom', 'c'],
      ],
      body,
    );
    expect(reply.status).toBe(200);
    const [one] = first.requests;
    const [two] = second.requests;
    expect(one?.headers).toMatchObject({ 'api-key': 'upstream-secret-key', 'x-tenant': 'odd', 'x-odd': 'yes' });
    expect(one?.headers.authorization).toBeUndefined();
    expect(one?.body.toString()).toContain('"max_completion_tokens":9');
    expect(one?.body.toString()).not.toContain('x_own');
    expect(two?.headers).toMatchObject({
      authorization: 'Bearer other-upstream-key',
      'x-tenant': 'other',
      'x-custom': 'c',
    });
    expect(two?.headers['api-key']).toBeUndefined();
    expect(two?.headers['x-odd']).toBeUndefined();
    expect(two?.rawHeaders.join('\n')).not.toContain('upstream-secret-key');
    expect(two?.body.toString()).toBe(body.replace('odd-first', 'gpt-4o'));
    expect(reply.body.toString()).toBe(formats.openai.reply);
    expect(reply.headers['x-first']).toBeUndefined();
    expect(reply.headers['x-llm-upstream-request-id']).toBeUndefined();
    expect(reply.headers['x-llm-provider']).toBe('other-openai');
    expect(reply.headers['x-llm-attempts']).toBe('2');
    expect(reply.headers['x-llm-warning'] ?? '').not.toContain('x_own');
  });

  test('a translation is forgotten: the second gets the bytes of the client', async () => {
    fails(first, 529);
    const asked = body.replace('odd-first', 'anthropic-first');
    const reply = await post('openai', [['openai-beta', 'b']], asked);
    expect(reply.status).toBe(200);
    expect(first.requests[0]?.url).toBe('/v1/messages');
    expect(first.requests[0]?.headers['openai-beta']).toBeUndefined();
    const [two] = second.requests;
    expect(two?.headers['anthropic-version']).toBeUndefined();
    expect(two?.headers['openai-beta']).toBe('b');
    expect(two?.headers['x-api-key']).toBeUndefined();
    expect(two?.body.toString()).toBe(asked.replace('anthropic-first', 'gpt-4o'));
    expect(reply.headers['x-llm-warning']).toBeUndefined();
  });

  test('the last refusal is told, with its own headers alone', async () => {
    fails(first);
    second.answer = (response) => {
      response.writeHead(400, { 'content-type': 'application/json', 'x-second': 'yes', 'set-cookie': 's=secret' });
      response.end('{"error":{"message":"second says no","type":"invalid_request_error"} , "x":1.0}');
    };
    const reply = await post('openai', [], body);
    expect(reply.status).toBe(400);
    expect(reply.body.toString()).toBe(
      '{"error":{"message":"second says no","type":"invalid_request_error"} , "x":1.0}',
    );
    expect(reply.headers).toMatchObject({ 'x-second': 'yes', 'x-llm-provider': 'other-openai', 'x-llm-attempts': '2' });
    expect(reply.headers['x-first']).toBeUndefined();
    expect(reply.headers['set-cookie']).toBeUndefined();
  });
});
