import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { call, startGateway, type TestGateway, teamKey } from '../support/gateway.ts';
import { eventually } from '../support/money.ts';
import { openSocket } from '../support/raw-http.ts';
import { openai, recordsOf } from '../support/refusals.ts';

describe('request bytes under way', () => {
  let provider: FakeProvider;
  let small: TestGateway;
  beforeAll(async () => {
    provider = await startFakeProvider({ key: 'upstream-secret-key' });
    const server = { port: 0, in_flight_bytes_max: 100_000, shutdown_grace_ms: 2000 };
    small = await startGateway({ openai: provider.baseUrl, config: { server } });
  });
  afterAll(async () => {
    await small.close();
    await provider.close();
  });

  const bodyOf = (bytes: number) => JSON.stringify({ ...openai.body, user: 'u'.repeat(bytes) });
  const piece = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
  const head = (id: string, line: string) =>
    `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${teamKey}\r\nX-Request-Id: ${id}\r\n${line}\r\n\r\n`;

  interface UnderWay {
    readonly id: string;
    finish(): Promise<string>;
    abort(): void;
  }

  /** A call whose body is under way and stays so until it is let go. */
  async function under(way: 'told' | 'in pieces'): Promise<UnderWay> {
    const id = `under-way-${randomUUID()}`;
    const body = bodyOf(90_000);
    const [most, rest] = [body.slice(0, -10), body.slice(-10)];
    const socket = openSocket(small.origin);
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
    const start = way === 'told' ? `Content-Length: ${body.length}` : 'Transfer-Encoding: chunked';
    socket.write(head(id, start) + (way === 'told' ? most : piece(most)));
    await new Promise((resolve) => setTimeout(resolve, 30));
    // Asked too early, it is this call that finds no room: then it is made again.
    if ((await call(small, openai.path, bodyOf(20_000))).status === 200) {
      socket.destroy();
      return under(way);
    }
    return {
      id,
      async finish() {
        socket.write(way === 'told' ? rest : `${piece(rest)}0\r\n\r\n`);
        await eventually('a reply', () => received.includes('\r\n\r\n'));
        socket.destroy();
        return received;
      },
      abort: () => socket.destroy(),
    };
  }

  test.each(['told', 'in pieces'] as const)(
    'have a total: past it a call is told to come back, when the length is %s',
    async (way) => {
      const first = await under(way);
      const response = await call(small, openai.path, bodyOf(20_000));
      expect(response.status).toBe(429);
      expect(response.headers.get('retry-after')).toBe('1');
      expect(response.headers.get('x-request-id')).not.toBeNull();
      expect(openai.error(await response.text())).toMatchObject({
        code: 'rate_limit_exceeded',
        scope: 'gateway',
        limit: 100_000,
        unit: 'bytes',
      });
      expect((await call(small, openai.path, bodyOf(5_000))).status).toBe(200);
      expect(await first.finish()).toMatch(/^HTTP\/1\.1 200/);
      await eventually(
        'there is room again',
        async () => (await call(small, openai.path, bodyOf(20_000))).status === 200,
      );
    },
  );

  test('of a client that goes away while it sends are given back, and the exchange is recorded once as aborted', async () => {
    for (const way of ['told', 'in pieces'] as const) {
      const first = await under(way);
      first.abort();
      await eventually(
        'there is room again',
        async () => (await call(small, openai.path, bodyOf(20_000))).status === 200,
      );
      const own = async () => (await recordsOf(small)).filter((record) => record.request_id === first.id);
      await eventually('its record', async () => (await own()).length > 0);
      expect(await own()).toMatchObject([{ ending: 'aborted', attempts: [] }]);
    }
  });

  test('are counted as they come: many small bodies of untold length fit', async () => {
    const paused = Array.from({ length: 30 }, () => {
      const socket = openSocket(small.origin);
      socket.write(head('small', 'Transfer-Encoding: chunked') + piece(bodyOf(100).slice(0, -1)));
      return socket;
    });
    expect((await call(small, openai.path, bodyOf(20_000))).status).toBe(200);
    const replies = paused.map(
      (socket) => new Promise<string>((resolve) => socket.once('data', (chunk) => resolve(chunk.toString('latin1')))),
    );
    for (const socket of paused) socket.write(`${piece('}')}0\r\n\r\n`);
    for (const reply of await Promise.all(replies)) expect(reply).toMatch(/^HTTP\/1\.1 200/);
    for (const socket of paused) socket.destroy();
  });

  test('may be more than the total for one call alone', async () => {
    expect((await call(small, openai.path, bodyOf(150_000))).status).toBe(200);
  });
});
