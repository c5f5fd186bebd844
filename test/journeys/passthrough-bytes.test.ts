import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { json } from '../support/api-provider.ts';
import { fakeOpenai, startGateway, teamKey, testEnv } from '../support/gateway.ts';
import { eventually } from '../support/money.ts';
import { entriesOf, errorOf, type PassingHouse, passProvider, startPassing } from '../support/passing.ts';
import { openSocket } from '../support/raw-http.ts';
import { rawCall } from '../support/raw-provider.ts';

let house: PassingHouse;
beforeAll(async () => {
  house = await startPassing({
    entries: [{ methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] }],
  });
});
beforeEach(() => house.api.reset());
afterAll(() => house.close());

const url = () => `${house.gateway.origin}/passthrough/${passProvider}`;
const key = ['Authorization', `Bearer ${teamKey}`] as const;
const only = () => {
  expect(house.api.calls.length).toBe(1);
  return house.api.calls[0]!;
};

/** What a reader and a writer of JSON would not give back as it was. */
const delicate = '{"id": 12345678901234567890, "n":1.0,"e":1E2,\n"a":"\\u00e9\\/", "a":2, "b" : -0.0 }';

describe('bytes are touched by nobody', () => {
  test('a JSON body arrives as it was sent, whatever parsers would make of it', async () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      house.api.reset();
      const headers = { 'content-type': 'application/json', 'x-request-id': `sent-${method}` };
      expect((await house.pass('/batches', { method, headers, body: delicate })).status).toBe(200);
      expect(only()).toMatchObject({ method, url: '/v1/batches' });
      expect(only().body.toString()).toBe(delicate);
      expect(only().headers['content-type']).toBe('application/json');
      expect(only().headers['content-length']).toBe(String(delicate.length));
    }
  });

  test('a body that is no JSON, or of no type at all, arrives as it was sent', async () => {
    const bytes = Buffer.from(Array.from({ length: 50_000 }, (_, i) => (i * 31) % 256));
    for (const type of ['application/octet-stream', 'multipart/form-data; boundary=x', 'application/json', undefined]) {
      house.api.reset();
      const headers = [key, ...(type === undefined ? [] : [['Content-Type', type] as const])];
      expect((await rawCall(`${url()}/files`, { headers, body: bytes })).status).toBe(200);
      expect(only().body.equals(bytes)).toBe(true);
      expect(only().headers['content-type']).toBe(type);
    }
  });

  test('a body of unknown length arrives in chunks, whole', async () => {
    const reply = await rawCall(`${url()}/files`, { headers: [key], body: delicate, chunkBytes: 7 });
    expect(reply.status).toBe(200);
    expect(only().body.toString()).toBe(delicate);
  });

  test('a query arrives as it was written', async () => {
    const query = '?a=b%20c&d&e=%C3%A9+f&g=../h&i=%2e%2e%2fj&k==&&after=file_1';
    await rawGet(`/files${query}`);
    expect(only().url).toBe(`/v1/files${query}`);
  });

  test('a reply arrives as it was sent: status, type, bytes', async () => {
    for (const status of [200, 201, 202, 404, 409, 422, 429, 500, 503]) {
      house.api.answer = (response) => json(response, status, delicate);
      const reply = await rawCall(`${url()}/things`, { headers: [key], body: '{}' });
      expect([status, reply.status, reply.body.toString()]).toEqual([status, status, delicate]);
      expect(reply.headers['content-type']).toBe('application/json');
    }
  });

  test('a reply without a body is one', async () => {
    house.api.answer = (response) => void response.writeHead(204).end();
    const response = await house.pass('/files/1', { method: 'DELETE' });
    expect([response.status, await response.text()]).toEqual([204, '']);
  });

  test('a large file comes through whole, no faster than it is read', async () => {
    const chunk = Buffer.alloc(65_536, 'x');
    let written = 0;
    const gone = new AbortController();
    house.api.answer = async (response, { over }) => {
      void over.then(() => gone.abort());
      response.writeHead(200, { 'content-type': 'application/octet-stream' });
      for (let i = 0; i < 512; i++) {
        written += chunk.length;
        if (!response.write(chunk)) await once(response, 'drain', { signal: gone.signal });
      }
      response.end();
    };
    const outgoing = httpRequest(`${url()}/files/1/content`, {
      headers: Object.fromEntries([key]),
      agent: false,
    }).end();
    const [incoming] = await once(outgoing, 'response');
    await eventually('the provider is held', async () => {
      const before = written;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return before > 0 && written === before;
    });
    expect(written).toBeLessThan(512 * chunk.length);
    let size = 0;
    for await (const piece of incoming) size += (piece as Buffer).length;
    expect(size).toBe(512 * chunk.length);
  });

  test('an event stream comes frame by frame, each as soon as it is there', async () => {
    let next: () => void = () => {};
    house.api.answer = async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      for (const frame of [': hi\n\n', 'event: a\r\ndata:{"n":1.0}\r\n\r\n', 'data: [DONE]\n\n']) {
        await new Promise<void>((resolve) => {
          next = resolve;
        });
        response.write(frame);
      }
      response.end();
    };
    const response = await house.pass('/responses', { method: 'POST', body: '{}' });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.get('cache-control')).toContain('no-transform');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    const reader = response.body!.getReader();
    const said: string[] = [];
    for (let i = 0; i < 3; i++) {
      next();
      said.push(Buffer.from((await reader.read()).value!).toString());
    }
    expect(said).toEqual([': hi\n\n', 'event: a\r\ndata:{"n":1.0}\r\n\r\n', 'data: [DONE]\n\n']);
    expect((await reader.read()).done).toBe(true);
  });

  test('the cost stands in the trailer', async () => {
    const reply = await rawCall(`${url()}/things`, { headers: [key], body: '{}' });
    expect(reply.trailers['x-llm-cost-usd']).toBe('0.010000000');
  });

  test('a client of HTTP/1.0 is served, without chunks and trailer', async () => {
    house.api.answer = (response) => json(response, 200, delicate);
    const said = await new Promise<string>((resolve) => {
      const socket = openSocket(house.gateway.origin);
      let text = '';
      socket.on('data', (bytes) => {
        text += bytes;
      });
      socket.on('close', () => resolve(text));
      socket.write(`GET /passthrough/${passProvider}/files HTTP/1.0\r\n${key.join(': ')}\r\n\r\n`);
    });
    expect(said).toMatch(/^HTTP\/1\.1 200 /);
    expect(said.endsWith(`\r\n\r\n${delicate}`)).toBe(true);
  });
});

describe('credentials and account details stay where they belong', () => {
  test("the provider is shown its own key and none of the caller's", async () => {
    const headers = {
      authorization: `Bearer ${teamKey}`,
      'x-api-key': teamKey,
      'x-goog-api-key': teamKey,
      'api-key': 'azure-like',
      'openai-organization': 'org-of-the-caller',
      cookie: 'session=1',
      'x-forwarded-for': '203.0.113.9',
      'x-llm-tags': 'a',
      'proxy-authorization': 'Basic abc',
      'openai-beta': 'assistants=v2',
      te: 'trailers',
    };
    expect((await house.pass('/files', { headers })).status).toBe(200);
    const { rawHeaders } = only();
    expect(only().headers.authorization).toBe(`Bearer ${testEnv.FAKE_KEY}`);
    expect(rawHeaders.join('\n')).not.toContain(teamKey);
    const names = rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
    expect(names.filter((name) => /^(x-|api-key|cookie|proxy-|openai-organization|te$)/.test(name))).toEqual([]);
    expect(only().headers['openai-beta']).toBe('assistants=v2');
    expect(only().headers['accept-encoding']).toBe('identity');
    expect(only().headers.host).toBe(new URL(house.api.origin).host);
  });

  test('a header that connection names goes no further, and cannot take ours away', async () => {
    const reply = await rawCall(`${url()}/files`, {
      headers: [key, ['Connection', 'x-hop, authorization, host'], ['X-Hop', '1']],
      body: '{}',
    });
    expect(reply.status).toBe(200);
    expect(only().headers['x-hop']).toBeUndefined();
    expect(only().headers.authorization).toBe(`Bearer ${testEnv.FAKE_KEY}`);
  });

  test("a caller's key in the address is refused", async () => {
    for (const path of [`/files?key=${teamKey}`, `/files/${teamKey}`]) {
      const response = await house.pass(path);
      expect([path, response.status]).toEqual([path, 400]);
      expect(await errorOf(response)).toMatchObject({ code: 'invalid_request' });
    }
    expect(house.api.calls).toEqual([]);
  });

  test('cookies, account details and the connection of the provider do not come back', async () => {
    house.api.answer = (response) =>
      json(response, 200, '{}', {
        'set-cookie': 'session=secret',
        'openai-organization': 'org-secret',
        'x-request-id': 'theirs',
        'x-ratelimit-remaining-requests': '41',
        'x-llm-provider': 'forged',
        'www-authenticate': 'Bearer',
        location: 'http://elsewhere.example/',
        'x-kept': 'yes',
      });
    const { headers } = await house.pass('/files');
    expect(headers.get('x-kept')).toBe('yes');
    for (const name of ['set-cookie', 'openai-organization', 'www-authenticate', 'location'])
      expect([name, headers.get(name)]).toEqual([name, null]);
    expect(headers.get('x-request-id')).not.toBe('theirs');
    expect(headers.get('x-llm-provider')).toBe(passProvider);
    expect(headers.get('x-llm-upstream-provider')).toBe('forged');
    expect(headers.get('x-llm-upstream-ratelimit-remaining-requests')).toBe('41');
  });

  test.each([401, 403])('%i from the provider is about our key: told as such, without its words', async (status) => {
    const words = `Incorrect API key provided: ${testEnv.FAKE_KEY}`;
    house.api.answer = (response) => json(response, status, JSON.stringify({ error: { message: words } }));
    const response = await house.pass('/files');
    expect(response.status).toBe(502);
    const text = await response.text();
    expect(text).not.toContain(testEnv.FAKE_KEY);
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'upstream_auth' } });
  });

  test('where the key is sent in the query, nobody else sets it', async () => {
    const own = fakeOpenai(house.api.baseUrl);
    const provider = { ...own, auth: { ...(own.auth as object), type: 'query', name: 'key' } };
    const gateway = await startGateway({
      providers: { [passProvider]: provider },
      config: { passthrough: entriesOf([{}]) },
    });
    onTestFinished(() => gateway.close());
    const pass = (query: string) =>
      fetch(`${gateway.origin}/passthrough/${passProvider}/files${query}`, {
        headers: { authorization: `Bearer ${teamKey}` },
      });
    for (const query of ['?key=mine', '?a=b&KEY=mine', '?%6bey=mine']) expect((await pass(query)).status).toBe(400);
    expect(house.api.calls).toEqual([]);
    expect((await pass('?a=b')).status).toBe(200);
    expect(only().url).toBe(`/v1/files?a=b&key=${testEnv.FAKE_KEY}`);
  });
});

function rawGet(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(house.gateway.origin, {
      path: `/passthrough/${passProvider}${path}`,
      headers: Object.fromEntries([key]),
      agent: false,
    });
    outgoing.on('response', (incoming) => {
      Readable.from(incoming).resume();
      resolve(incoming.statusCode ?? 0);
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}
