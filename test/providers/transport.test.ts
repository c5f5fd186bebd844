import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Failure } from '../../src/exchange/index.ts';
import { Abort, type Provider, requestHeaders, type UpstreamReply } from '../../src/providers/index.ts';
import { type FakeProvider, type FakeReply, startFakeProvider } from '../support/fake-provider.ts';
import { provider } from './load.ts';
import { collect, times } from './sink.ts';

let fake: FakeProvider;
let here: Provider;

beforeAll(async () => {
  fake = await startFakeProvider({ key: 'sk-provider' });
  here = at(fake.baseUrl);
});
beforeEach(() => fake.reset());
afterAll(async () => {
  await here.close();
  await fake.close();
});

function at(base_url: string, more: object = {}): Provider {
  return provider({ base_url, auth: { type: 'bearer', key: 'sk-provider' }, ...more });
}

const body = (more: object = {}) =>
  Buffer.from(JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Hi' }], ...more }));
const json = { 'content-type': 'application/json' };

interface Asked {
  headers?: Record<string, string>;
  abort?: Abort;
  through?: Provider;
  path?: string;
  times?: Partial<typeof times & { idle_timeout_ms: number }>;
}

function send(more: object = {}, asked: Asked = {}): Promise<UpstreamReply> {
  return (asked.through ?? here).send({
    path: asked.path ?? '/v1/chat/completions',
    headers: { ...json, ...asked.headers },
    body: body(more),
    ...(asked.abort === undefined ? undefined : { abort: asked.abort }),
    ...times,
    ...asked.times,
  });
}

const script = (reply: FakeReply) => {
  fake.reply = () => reply;
};
const long = Array.from({ length: 200 }, (_, i) => `word${i}`).join(' ');
const gone = () => new Failure('internal_error', 'The client went away.');

/** Resolves once `is` holds; fails after half a minute. */
async function until(is: () => boolean): Promise<void> {
  const end_ms = performance.now() + 30_000;
  while (!is()) {
    if (performance.now() > end_ms) throw new Error('It never came to be.');
    await wait(5);
  }
}

/** A server that answers each call with these header lines and two bytes. */
function answering(lines: () => readonly string[]): Server {
  return createServer((socket) => {
    socket.on('data', (bytes) => {
      if (!bytes.includes('POST ')) return;
      socket.write(`HTTP/1.1 200 OK\r\n${[...lines(), 'Content-Length: 2'].join('\r\n')}\r\n\r\nok`);
    });
    socket.on('error', () => {});
  });
}

describe('a call', () => {
  test('brings the body as it was sent, and the reply as it was written', async () => {
    const reply = await send();
    const { text, failure } = await collect(reply);
    expect(failure).toBeUndefined();
    expect(reply.status).toBe(200);
    expect(JSON.parse(text).choices[0].message.content).toBe('Hello from the fake provider.');
    expect(fake.requests[0]!.bytes).toEqual(body());
    expect(fake.violations).toEqual([]);
  });

  test('resolves at the head, and hands over a stream as it comes', async () => {
    script({ text: long, pace_ms: 2 });
    const reply = await send({ stream: true });
    expect(fake.requests[0]!.finished).toBe(false);
    const { text, chunks } = await collect(reply);
    expect(chunks.length).toBeGreaterThan(50);
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  });

  test('gives any status as a reply, its body and Retry-After with it', async () => {
    script({ status: 429, retryAfter: 7, error: { message: 'slow down' } });
    const reply = await send();
    expect([reply.status, reply.headers['retry-after']]).toEqual([429, '7']);
    expect((await collect(reply)).text).toContain('slow down');
  });

  test('has headers in lower case, and those of one name joined', async () => {
    const server = createServer((socket) => {
      socket.once('data', () =>
        socket.end('HTTP/1.1 200 OK\r\nX-Mixed-Case: A\r\nx-twice: 1\r\nX-Twice: 2\r\nContent-Length: 2\r\n\r\nok'),
      );
    });
    await using there = await listening(server);
    const reply = await send({}, { through: there.provider });
    expect(reply.headers).toMatchObject({ 'x-mixed-case': 'A', 'x-twice': '1, 2' });
    expect((await collect(reply)).text).toBe('ok');
  });

  test('has each header under its own name, whatever that name means elsewhere', async () => {
    const head = [
      '__proto__: polluted',
      'constructor: made',
      'Set-Cookie: first=1',
      'Set-Cookie: last=1',
      'x-twice: 1',
      'X-TWICE: 2',
      'X-Request-Id: theirs',
      'x-llm-request-id: also theirs',
    ];
    const server = answering(() => head);
    await using there = await listening(server);
    // The second time its names have been met.
    for (const _ of [1, 2]) {
      const reply = await send({}, { through: there.provider });
      const { headers } = reply;
      expect(Object.entries(headers)).toEqual([
        ['__proto__', 'polluted'],
        ['constructor', 'made'],
        ['set-cookie', 'last=1'],
        ['x-twice', '1, 2'],
        ['x-request-id', 'theirs'],
        ['x-llm-request-id', 'also theirs'],
        ['content-length', '2'],
      ]);
      expect(headers.valueOf).toBeUndefined();
      expect(reply.clientHeaders().pairs).toEqual(
        [
          ['__proto__', 'polluted'],
          ['constructor', 'made'],
          ['x-twice', '1, 2'],
          ['x-llm-upstream-request-id', 'also theirs'],
        ].flat(),
      );
      expect((await collect(reply)).text).toBe('ok');
    }
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  test('has its headers judged alike, however many names have been seen', async () => {
    let calls = 0;
    const server = answering(() => {
      calls += 1;
      const flood = Array.from({ length: calls === 20 ? 2000 : 100 }, (_, nth) => `X-Flood-${calls}-${nth}: 1`);
      return [...flood, `X-${'long-'.repeat(200)}${calls}: 1`, `X-RateLimit-${calls}-Late: 7`, 'Date: now'];
    });
    await using there = await listening(server);
    for (let call = 1; call <= 20; call += 1) {
      const reply = await send({}, { through: there.provider });
      await collect(reply);
      const { pairs } = reply.clientHeaders();
      expect(pairs.slice(0, 2)).toEqual([`x-flood-${call}-0`, '1']);
      expect(pairs.slice(-4)).toEqual([
        `x-${'long-'.repeat(200)}${call}`,
        '1',
        `x-llm-upstream-ratelimit-${call}-late`,
        '7',
      ]);
      expect(pairs.length).toBe(call === 20 ? 4004 : 204);
    }
  });

  test('passes no header on that the connection names, and each of the others in the order they came in', async () => {
    const connection: string[] = [];
    const server = answering(() => [
      'X-Hop: 1',
      'Server: s',
      ...connection.map((value) => `Connection: ${value}`),
      'CF-Ray: r',
    ]);
    await using there = await listening(server);
    const passed = async (...values: string[]): Promise<unknown> => {
      connection.splice(0, Number.POSITIVE_INFINITY, ...values);
      const reply = await send({}, { through: there.provider });
      await collect(reply);
      return reply.clientHeaders().pairs;
    };
    expect(await passed()).toEqual(['x-hop', '1', 'server', 's', 'cf-ray', 'r']);
    expect(await passed('keep-alive')).toEqual(['x-hop', '1', 'server', 's', 'cf-ray', 'r']);
    expect(await passed('keep-alive, X-Hop')).toEqual(['server', 's', 'cf-ray', 'r']);
    expect(await passed('keep-alive', 'x-hop')).toEqual(['server', 's', 'cf-ray', 'r']);
  });

  test('keeps its connection for the next', async () => {
    const before = fake.connections;
    const fresh = at(fake.baseUrl);
    for (let i = 0; i < 5; i += 1) {
      await collect(await send({}, { through: fresh }));
      await wait(5);
    }
    expect(fake.connections).toBe(before + 1);
    await fresh.close();
  });

  test('is made side by side with others', async () => {
    script({ text: long, pace_ms: 1 });
    const replies = await Promise.all(Array.from({ length: 20 }, () => send({ stream: true })));
    const texts = await Promise.all(replies.map(collect));
    expect(new Set(texts.map(({ text }) => text)).size).toBe(1);
  });
});

describe('what a provider is shown', () => {
  test('is its own key, whatever a client sent', async () => {
    const headers = requestHeaders({ authorization: 'Bearer sk-gateway', 'x-api-key': 'sk-gateway', ...json }, true);
    await collect(await send({}, { headers }));
    await collect(await send({}, { headers: { authorization: 'Bearer sk-smuggled', 'accept-encoding': 'br' } }));
    for (const request of fake.requests) {
      expect(request.headers.authorization).toBe('Bearer sk-provider');
      expect(request.headers['accept-encoding']).toBe('identity');
      expect(request.rawHeaders.join()).not.toMatch(/sk-gateway|sk-smuggled/);
    }
    expect(fake.violations).toEqual([]);
  });

  test('is the key in a header of its choice, or in the query', async () => {
    const azure = at(fake.origin, {
      format: 'azure-openai',
      auth: { type: 'header', name: 'Api-Key', key: 'sk-provider' },
    });
    const path = azure.requestPath({ path: '/chat/completions' }, { model: 'gpt-4o' });
    expect((await collect(await send({}, { through: azure, path }))).failure).toBeUndefined();
    expect(fake.requests[0]!.url).toBe('/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21');
    expect(fake.requests[0]!.headers['api-key']).toBe('sk-provider');
    expect(fake.requests[0]!.headers.authorization).toBeUndefined();
    const query = at(fake.baseUrl, { auth: { type: 'query', name: 'key', key: 'a&b' } });
    await collect(await send({}, { through: query }));
    expect(fake.requests[1]!.url).toBe('/v1/chat/completions?key=a%26b');
    await Promise.all([azure.close(), query.close()]);
  });

  test("is the headers of its settings, which win over a client's", async () => {
    const titled = at(fake.baseUrl, { headers: { 'X-Title': 'ours', 'OpenAI-Organization': 'org-1' } });
    await collect(await send({}, { through: titled, headers: { 'x-title': 'theirs' } }));
    expect(fake.requests[0]!.headers).toMatchObject({ 'x-title': 'ours', 'openai-organization': 'org-1' });
    await titled.close();
  });

  test('has nothing of one call in the next', async () => {
    await collect(await send({}, { headers: { 'x-first': '1' } }));
    await collect(await send({}));
    expect(fake.requests[1]!.headers['x-first']).toBeUndefined();
  });
});

describe('an abort', () => {
  test('destroys the connection within a second, in the middle of a stream', async () => {
    script({ text: long, endless: true, pace_ms: 2 });
    const abort = new Abort();
    const reply = await send({ stream: true }, { abort });
    let heard = 0;
    let told = 0;
    reply.read({ data: () => (heard += 1), end: () => (told += 1), error: () => (told += 1) });
    await until(() => heard > 3);
    const at_ms = performance.now();
    abort.abort(gone());
    await until(() => fake.requests[0]!.aborted_ms !== undefined);
    // Within a second of its own; the rest is what a busy machine takes.
    expect(fake.requests[0]!.aborted_ms! - at_ms).toBeLessThan(5000);
    const before = heard;
    await wait(30);
    expect([heard, told]).toEqual([before, 0]);
  });

  test('hands over what came while its reader was slow: it was said, and is paid for', async () => {
    script({ text: long, tcp_bytes: 4096 });
    const reply = await send({ stream: true });
    let heard = 0;
    let told = 0;
    const sink = {
      data: (chunk: Buffer) => {
        heard += chunk.length;
        reply.pause();
      },
      end: () => (told += 1),
      error: () => (told += 1),
    };
    reply.read(sink);
    await until(() => fake.requests[0]!.finished);
    await until(() => heard > 0);
    await wait(30);
    const before = heard;
    reply.abort(gone());
    expect(heard).toBeGreaterThan(before);
    const after = heard;
    await wait(30);
    expect([heard, told]).toEqual([after, 0]);
  });

  test('before the head rejects with its reason, and reaches the provider', async () => {
    script({ stall: 'head' });
    const abort = new Abort();
    const sent = send({}, { abort });
    await until(() => fake.requests.length === 1);
    const reason = gone();
    abort.abort(reason);
    await expect(sent).rejects.toBe(reason);
    await until(() => fake.requests[0]!.aborted_ms !== undefined);
  });

  test('before the call keeps it from being sent', async () => {
    const abort = new Abort();
    const reason = gone();
    abort.abort(reason);
    await expect(send({}, { abort })).rejects.toBe(reason);
    await wait(20);
    expect(fake.requests).toHaveLength(0);
  });

  test('while waiting for a free connection keeps it from being sent', async () => {
    script({ text: long, pace_ms: 2 });
    const narrow = at(fake.baseUrl, { connections: { max: 1 } });
    const first = await send({ stream: true }, { through: narrow });
    const abort = new Abort();
    const second = send({}, { through: narrow, abort });
    abort.abort(gone());
    await expect(second).rejects.toMatchObject({ code: 'internal_error' });
    await collect(first);
    script({});
    expect((await collect(await send({}, { through: narrow }))).failure).toBeUndefined();
    expect(fake.requests).toHaveLength(2);
    await narrow.close();
  });

  test('tells everyone attached, the ones whose call is over no longer', async () => {
    const abort = new Abort();
    const told: string[] = [];
    const first = () => told.push('first');
    abort.attach(first);
    abort.attach(() => told.push('second'));
    await collect(await send({}, { abort }));
    abort.detach(first);
    abort.abort(gone());
    abort.abort(gone());
    abort.attach(() => told.push('late'));
    expect(told).toEqual(['second', 'late']);
  });

  test('reaches the latest call, though an earlier one was left unread', async () => {
    const abort = new Abort();
    script({ status: 503 });
    const first = await send({}, { abort });
    script({ text: long, endless: true });
    const second = await send({ stream: true }, { abort });
    await collect(first);
    second.read({ data: () => {}, end: () => {}, error: () => {} });
    abort.abort(gone());
    await until(() => fake.requests[1]!.aborted_ms !== undefined);
  });

  test('through the reply does the same, and is harmless after the end', async () => {
    script({ text: long, pace_ms: 5 });
    const reply = await send({ stream: true });
    reply.abort(gone());
    await until(() => fake.requests[0]!.aborted_ms !== undefined);
    script({});
    const whole = await send();
    await collect(whole);
    whole.abort(gone());
    expect((await collect(await send())).failure).toBeUndefined();
  });
});

describe('a failure', () => {
  test('to connect is upstream_unreachable: nothing was sent', async () => {
    const closed = createServer();
    closed.listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as { port: number };
    closed.close();
    const nobody = at(`http://127.0.0.1:${port}`);
    await expect(send({}, { through: nobody })).rejects.toMatchObject({
      code: 'upstream_unreachable',
      detail: { extra: { reason: 'ECONNREFUSED' } },
    });
    const unnamed = at('http://no-such-host.invalid');
    await expect(send({}, { through: unnamed })).rejects.toMatchObject({ code: 'upstream_unreachable' });
    const tls = at(fake.baseUrl.replace('http:', 'https:'));
    await expect(send({}, { through: tls })).rejects.toMatchObject({ code: 'upstream_unreachable' });
  });

  test('of one that takes no connection in time is upstream_timeout', async () => {
    const narrow = at(fake.baseUrl, { connections: { max: 1 } });
    script({ stall: 'middle', text: long });
    const first = await send({ stream: true }, { through: narrow });
    await expect(send({}, { through: narrow, times: { connect_timeout_ms: 60 } })).rejects.toMatchObject({
      code: 'upstream_timeout',
      detail: { extra: { phase: 'connect', timeout_ms: 60 } },
    });
    first.abort(gone());
    await narrow.close();
  });

  test('of one that takes more than may wait is told at once', async () => {
    const narrow = at(fake.baseUrl, { connections: { max: 1, waiting_max: 1 } });
    script({ stall: 'head' });
    const abort = new Abort();
    const waiting = [
      send({}, { through: narrow, abort }),
      send({}, { through: narrow, times: { first_byte_timeout_ms: 90 } }),
    ];
    await expect(send({}, { through: narrow })).rejects.toMatchObject({
      code: 'upstream_unreachable',
      detail: { extra: { reason: 'queue_full' } },
    });
    abort.abort(gone());
    await Promise.allSettled(waiting);
    await until(() => fake.requests[0]!.aborted_ms !== undefined);
    script({});
    expect((await collect(await send({}, { through: narrow }))).failure).toBeUndefined();
    await narrow.close();
  });

  test.each(['head', 'first_frame'] as const)(
    'to begin in time (silent before the %s) is upstream_timeout',
    async (stall) => {
      script({ stall });
      const sent = send({ stream: true }, { times: { first_byte_timeout_ms: 80 } });
      const failure = await sent
        .then((reply) => collect(reply))
        .then(
          (read) => read.failure,
          (thrown: Failure) => thrown,
        );
      expect(failure).toMatchObject({
        code: 'upstream_timeout',
        detail: { extra: { phase: 'first_byte', timeout_ms: 80 } },
      });
      await until(() => fake.requests[0]!.aborted_ms !== undefined);
    },
  );

  test('to finish in time is upstream_timeout, after what had come', async () => {
    script({ text: long, endless: true, pace_ms: 3 });
    const reply = await send({ stream: true }, { times: { total_timeout_ms: 200 } });
    const { text, failure } = await collect(reply);
    expect(text).toContain('word1');
    expect(failure).toMatchObject({ code: 'upstream_timeout', detail: { extra: { phase: 'total' } } });
    await until(() => fake.requests[0]!.aborted_ms !== undefined);
  });

  test('to say anything more is upstream_timeout where silence is limited', async () => {
    script({ text: long, stall: 'middle' });
    const { failure } = await collect(await send({ stream: true }, { times: { idle_timeout_ms: 1000 } }));
    expect(failure).toMatchObject({ code: 'upstream_timeout', detail: { extra: { phase: 'idle' } } });
  });

  test.each(['head', 'first_frame', 'middle', 3] as const)(
    'by a connection that dies (%s) is upstream_error, never an end',
    async (die) => {
      script({ text: long, die });
      const failure = await send({ stream: true })
        .then((reply) => collect(reply))
        .then(
          (read) => read.failure,
          (thrown: Failure) => thrown,
        );
      expect(failure).toMatchObject({
        code: 'upstream_error',
        detail: { extra: { phase: die === 'head' ? 'head' : 'body' } },
      });
      script({});
      expect((await collect(await send())).failure).toBeUndefined();
    },
  );

  test('by a plain body that is too short is upstream_error', async () => {
    const server = createServer((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"half":'));
    });
    await using there = await listening(server);
    const { text, failure } = await collect(await send({}, { through: there.provider }));
    expect(text).toBe('{"half":');
    expect(failure).toMatchObject({ code: 'upstream_error' });
  });

  test('by something that is not HTTP is upstream_error', async () => {
    const server = createServer((socket) => {
      socket.once('data', () => socket.end('SSH-2.0-OpenSSH\r\n'));
    });
    await using there = await listening(server);
    await expect(send({}, { through: there.provider })).rejects.toMatchObject({ code: 'upstream_error' });
  });

  test('by a redirect is upstream_error: it is not followed', async () => {
    script({ status: 307, headers: { location: `${fake.origin}/v1/elsewhere` } });
    await expect(send()).rejects.toMatchObject({ code: 'upstream_error', status: 502, retryable: false });
    await wait(20);
    expect(fake.requests).toHaveLength(1);
  });

  test('of the reader ends the call and is told to it', async () => {
    script({ text: long, endless: true });
    const reply = await send({ stream: true });
    const failure = await new Promise((resolve) => {
      reply.read({
        data: () => {
          throw new TypeError('a bug');
        },
        end: () => resolve('end'),
        error: resolve,
      });
    });
    expect(failure).toMatchObject({ code: 'internal_error' });
    await until(() => fake.requests[0]!.aborted_ms !== undefined);
  });

  test('after closing is upstream_unreachable', async () => {
    const other = at(fake.baseUrl);
    await collect(await send({}, { through: other }));
    await other.close();
    await expect(send({}, { through: other })).rejects.toMatchObject({ code: 'upstream_unreachable' });
  });
});

describe('an encoded reply', () => {
  test.each(['gzip', 'deflate', 'bare deflate', 'br'] as const)(
    'in %s is decoded, plain and streamed',
    async (encoding) => {
      script({ text: long });
      const [plain, streamed] = [await collect(await send()), await collect(await send({ stream: true }))];
      script({ text: long, encoding });
      expect((await collect(await send())).text).toBe(plain.text);
      expect((await collect(await send({ stream: true }))).text).toBe(streamed.text);
    },
  );

  test('that nobody can decode is a failure', async () => {
    script({ encoding: 'unknown' });
    await expect(send()).rejects.toMatchObject({ code: 'upstream_error', status: 502, retryable: false });
  });

  test('that is cut short is a failure, never an end', async () => {
    script({ text: long, encoding: 'gzip', die: 'middle' });
    expect((await collect(await send())).failure).toMatchObject({ code: 'upstream_error' });
    script({ headers: { 'content-encoding': 'gzip' }, raw: { contentType: 'application/json', chunks: ['not gzip'] } });
    expect((await collect(await send())).failure).toMatchObject({ code: 'upstream_error' });
  });

  test('is held like any other, however much it unfolds to', async () => {
    const zeros = 'x'.repeat(20_000_000);
    script({ text: zeros, encoding: 'gzip' });
    const reply = await send();
    await wait(100);
    let bytes = 0;
    let ended = false;
    reply.read({ data: (chunk) => (bytes += chunk.length), end: () => (ended = true), error: () => {} });
    expect(bytes).toBeLessThan(1_000_000);
    await until(() => ended);
    expect(bytes).toBeGreaterThan(20_000_000);
  });
});

describe('backpressure', () => {
  test('holds the provider while nobody reads, and loses nothing', async () => {
    script({ text: 'y'.repeat(12_000_000) });
    const reply = await send();
    await wait(100);
    expect(fake.requests[0]!.finished).toBe(false);
    const { text, failure } = await collect(reply);
    expect(failure).toBeUndefined();
    expect(JSON.parse(text).choices[0].message.content).toHaveLength(12_000_000);
  });

  test('holds the provider while paused, and goes on where it stopped', async () => {
    script({ text: 'z'.repeat(12_000_000) });
    const reply = await send();
    let bytes = 0;
    let pauses = 0;
    let late = 0;
    let paused = false;
    const ended = new Promise<string>((resolve) => {
      reply.read({
        data: (chunk) => {
          if (paused) late += 1;
          bytes += chunk.length;
          if (pauses < 5 && bytes > (pauses + 1) * 1_000_000) {
            pauses += 1;
            paused = true;
            reply.pause();
            setTimeout(() => {
              paused = false;
              reply.resume();
            }, 10);
          }
        },
        end: () => resolve('end'),
        error: () => resolve('error'),
      });
    });
    expect(await ended).toBe('end');
    expect([pauses, late]).toEqual([5, 0]);
    expect(bytes).toBeGreaterThan(12_000_000);
  });

  test('an end that came while paused is told after resuming', async () => {
    const reply = await send();
    await wait(30);
    const told: string[] = [];
    reply.pause();
    reply.read({ data: () => told.push('data'), end: () => told.push('end'), error: () => told.push('error') });
    expect(told).toEqual([]);
    reply.resume();
    await until(() => told.includes('end'));
    expect(told).toEqual(['data', 'end']);
  });
});

async function listening(server: Server): Promise<{ provider: Provider } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const there = at(`http://127.0.0.1:${(server.address() as { port: number }).port}`);
  return {
    provider: there,
    [Symbol.asyncDispose]: async () => {
      await there.close();
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
