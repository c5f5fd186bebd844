import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AuditRecord, queryTrail } from '../../src/observe/index.ts';
import { type LedgerEntry, openEmbeddedLedger } from '../../src/stores/index.ts';
import type { Judgement } from '../../src/surfaces/http/judgement.ts';
import { buildListener } from '../../src/surfaces/http/listener.ts';
import { type ApiCall, json } from '../support/api-provider.ts';
import { teamKey, testEnv } from '../support/gateway.ts';
import { type PassingHouse, passProvider, standing, startPassing } from '../support/passing.ts';
import { openSocket } from '../support/raw-http.ts';

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const bodiless = new Set(['GET', 'HEAD', 'OPTIONS']);

/** What may stand in a route for a parameter or a star. Each is tried. */
const fillings = ['gpt-4o', `${passProvider}/chat/completions`, 'chat/completions'];
const text = 'Hi';
/** Requests of every language there is or may be. Each is tried: a route takes the one that is its own. */
const bodies = [
  { model: 'gpt-4o', messages: [{ role: 'user', content: text }], max_tokens: 10 },
  { model: 'gpt-4o', input: text, max_output_tokens: 10 },
  { model: 'gpt-4o', prompt: text, max_tokens: 10 },
  { model: 'gpt-4o', query: text, documents: [text] },
  { model: 'gpt-4o', contents: [{ role: 'user', parts: [{ text }] }] },
].map((body) => JSON.stringify(body));

let house: PassingHouse;
let stopped = false;
beforeAll(async () => {
  house = await startPassing({
    entries: [{ methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] }],
    team: { budgets: [{ window: 'day', limit_usd: 1000 }] },
  });
});
afterAll(async () => {
  if (!stopped) await house.close(true);
  rmSync(house.gateway.directory, { recursive: true, force: true });
});

interface Tried {
  readonly method: string;
  readonly url: string;
  readonly judgement: Judgement;
  readonly path: string;
}

/** Every route of the listener, once for each way to fill it in. */
function registered(): Tried[] {
  return house.gateway.gateway.routes.flatMap((route) => filled(route.url).map((path) => ({ ...route, path })));
}

function filled(url: string): string[] {
  if (!/[:*]/.test(url)) return [url];
  // A parameter is one segment of a path, a star the rest of it.
  const fitting = url.includes('*') ? fillings : fillings.filter((filling) => !filling.includes('/'));
  return fitting.map((filling) => url.replaceAll(/:\w+|\*/g, filling));
}

/** Whether a route's pattern holds for a path that was filled in for another. */
function covers(url: string, path: string): boolean {
  const source = url.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+').replaceAll('*', '.*');
  return new RegExp(`^${source}$`).test(path);
}

function send(path: string, method: string, headers: Record<string, string>, body?: string): Promise<Response> {
  const more = body === undefined ? {} : { body };
  const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
  return fetch(house.gateway.origin + path, { method, headers: { ...type, ...headers }, ...more });
}

/** A whole reply in the language of the path that was asked. */
function answer(response: ServerResponse, { url }: ApiCall): void {
  const usage = { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 };
  const message = { role: 'assistant', content: text };
  const choices = [{ index: 0, message, finish_reason: 'stop' }];
  const chat = { id: 'x', object: 'chat.completion', created: 1, model: 'gpt-4o', choices, usage };
  json(response, 200, JSON.stringify(url.includes('/chat/completions') ? chat : { object: 'thing' }));
}

describe('without the key of a caller', () => {
  const credentials: Record<string, string>[] = [
    {},
    { authorization: 'Bearer ' },
    { authorization: 'Bearer wrong' },
    { authorization: `Bearer ${testEnv.FAKE_KEY}` },
    { 'x-api-key': 'wrong' },
    { authorization: `Basic ${Buffer.from(teamKey).toString('base64')}` },
    { cookie: `key=${teamKey}` },
  ];

  test('no route reaches a provider, by any method; each says 401 or tells nothing', async () => {
    house.api.reset();
    const known = registered();
    expect(known.length).toBeGreaterThan(10);
    const secret = new RegExp(['research', 'acme', 'gpt-4o', passProvider, testEnv.FAKE_KEY, teamKey].join('|'));
    for (const path of new Set(known.map((route) => route.path))) {
      for (const method of methods) {
        const own = known.filter((one) => one.method === method);
        const route = own.find((one) => one.path === path) ?? own.find(({ url }) => covers(url, path));
        for (const [index, headers] of credentials.entries()) {
          const body = bodiless.has(method) ? undefined : bodies[index % bodies.length];
          const response = await send(path, method, headers, body);
          const said = await response.text();
          const at = `${method} ${path} ${JSON.stringify(headers)}`;
          if (route === undefined) expect([at, response.status]).toEqual([at, 404]);
          else if (route.judgement !== 'open') expect([at, response.status]).toEqual([at, 401]);
          if (route !== undefined) expect([at, secret.test(said)]).toEqual([at, false]);
        }
      }
    }
    expect(house.api.calls).toEqual([]);
  }, 180_000);

  test('nor does a connection that asks to become something else', async () => {
    house.api.reset();
    const open = new Set(registered().flatMap(({ path, judgement }) => (judgement === 'open' ? [path] : [])));
    for (const path of [...new Set(registered().map((route) => route.path)), '/v1/realtime?model=gpt-4o']) {
      const socket = openSocket(house.gateway.origin);
      const heard = new Promise<string>((resolve) => {
        let said = '';
        socket.on('data', (bytes) => {
          said += bytes;
          resolve(said);
        });
        socket.on('close', () => resolve(said));
        socket.on('error', () => resolve(said));
      });
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.from('0123456789abcdef').toString('base64')}\r\n\r\n`,
      );
      const said = await heard;
      socket.destroy();
      expect([path, /^HTTP\/1\.1 (101|2\d\d)/.test(said) && !open.has(path)]).toEqual([path, false]);
      expect([path, /^HTTP\/1\.1 101/.test(said)]).toEqual([path, false]);
    }
    expect(house.api.calls).toEqual([]);
  });
});

describe('with one', () => {
  test('what reaches a provider was identified, decided, reserved and recorded, once each', async () => {
    house.api.reset();
    const heldThen: number[] = [];
    house.api.answer = async (response, call) => {
      heldThen.push((await standing(house)).held);
      answer(response, call);
    };
    const reached = new Map<string, Tried>();
    for (const route of registered()) {
      for (const body of bodiless.has(route.method) ? [undefined] : bodies) {
        const before = house.api.calls.length;
        const requestId = `side-door-${randomUUID()}`;
        const headers = { authorization: `Bearer ${teamKey}`, 'x-request-id': requestId };
        await (await send(route.path, route.method, headers, body)).text();
        const calls = house.api.calls.length - before;
        if (calls === 0) continue;
        const at = `${route.method} ${route.path}`;
        expect([at, calls, route.judgement]).toEqual([at, 1, 'walk']);
        reached.set(requestId, route);
      }
    }

    // No route of the walk is left out: one that no body of this test opens is given a body here.
    const opened = new Set([...reached.values()].map(({ method, url }) => `${method} ${url}`));
    const walks = registered().filter(({ judgement, method }) => judgement === 'walk' && method !== 'HEAD');
    expect(walks.map(({ method, url }) => `${method} ${url}`).filter((route) => !opened.has(route))).toEqual([]);
    expect(opened).toContain('POST /v1/chat/completions');
    expect(opened).toContain('POST /v1/messages');
    expect(opened).toContain('GET /passthrough/*');

    // While the provider was asked, something was held.
    expect(heldThen.length).toBe(reached.size);
    expect(heldThen.every((held) => held > 0)).toBe(true);

    await house.close(true);
    stopped = true;
    const { records, entries } = await leftBehind(house.gateway.directory);
    for (const [requestId, route] of reached) {
      const own = records.filter((record) => record.request_id === requestId);
      const at = `${route.method} ${route.path}`;
      expect([at, own.length]).toEqual([at, 1]);
      const [record] = own as [AuditRecord];
      expect(record.caller).toMatchObject({ organization: 'acme', team: 'research', key: 'testteamkey1' });
      expect(record.decision.request?.decision).toBe('allow');
      expect(record.held_nusd).toBeGreaterThan(0);
      expect(record.attempts.length).toBe(1);
      expect(record.ending).toBe('complete');
      expect([at, entries.filter(({ id }) => id === record.exchange).length]).toEqual([at, 1]);
    }
    // Nothing else was sent, and nothing else was paid for.
    expect(records.filter(({ attempts }) => attempts.length > 0).length).toBe(reached.size);
    expect(entries.length).toBe(reached.size);
    expect(house.api.calls.length).toBe(reached.size);
  });
});

async function leftBehind(directory: string): Promise<{ records: AuditRecord[]; entries: LedgerEntry[] }> {
  const records: AuditRecord[] = [];
  for await (const { record } of queryTrail(join(directory, 'data', 'audit'), {})) records.push(record);
  const ledger = await openEmbeddedLedger({ path: join(directory, 'data', 'ledger') });
  const entries: LedgerEntry[] = [];
  for await (const entry of ledger.entries('acme')) entries.push(entry);
  await ledger.close();
  return { records, entries };
}

describe('a route without a judgement', () => {
  const listener = () =>
    buildListener({ body_bytes_max: 1024, judgements: ['walk', 'caller', 'open'], unreadable: () => {} });
  const handler = () => 'hello';

  test('cannot be added', () => {
    const app = listener();
    expect(() => app.get('/new', handler)).toThrow(/GET \/new declares no judgement/);
    expect(() => app.route({ method: ['POST', 'PUT'], url: '/new', handler })).toThrow(/declares no judgement/);
    expect(() => app.get('/new', { config: {} }, handler)).toThrow(/declares no judgement/);
  });

  test('nor one whose judgement is not of this listener', () => {
    expect(() => listener().get('/new', { config: { judgement: 'admin' } }, handler)).toThrow(/declares no judgement/);
  });

  test('nor by a plugin: then the listener does not start', async () => {
    const app = listener();
    app.register(async (scope) => {
      scope.get('/new', handler);
    });
    await expect(app.ready()).rejects.toThrow(/GET \/new declares no judgement/);
  });
});
