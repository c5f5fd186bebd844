import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { asFailure, type Caller } from '../../src/exchange/index.ts';
import { parsePolicies } from '../../src/policy/index.ts';
import { openPolicyFiles, openPolicySet } from '../../src/registry/index.ts';
import { openDoor } from '../../src/surfaces/decision/door.ts';
import { RecentEvaluations } from '../../src/surfaces/decision/lately.ts';
import type { DecisionPoint } from '../../src/surfaces/decision/point.ts';
import { buildListener } from '../../src/surfaces/http/listener.ts';
import { evaluateStreams, type StreamLimits } from '../../src/surfaces/websocket/evaluate-stream.ts';
import { openAsking } from '../support/asking.ts';
import { quietPolicy } from '../support/gateway.ts';
import { eventually } from '../support/wait.ts';

const caller: Caller = {
  kind: 'key',
  key: { id: 'one', scopes: ['policy:evaluate'], mayAssert: false },
  organization: { id: 'acme' },
  team: { id: 'research', name: 'Research' },
  tags: [],
};

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Streams on a listener of their own, everything behind them real but who asks. */
async function house(limits: Partial<StreamLimits>) {
  const elapsed = () => performance.now();
  const recent = new RecentEvaluations();
  const shelf = mkdtempSync(join(tmpdir(), 'llm-policy-shelf-'));
  const policies = openPolicySet({
    shelf: openPolicyFiles(shelf),
    base: { policies: parsePolicies(quietPolicy), default: 'allow' },
    clock: Date.now,
  });
  closing.push(() => {
    policies.close();
    rmSync(shelf, { recursive: true });
  });
  const point: DecisionPoint = {
    policies,
    modules: () => undefined,
    door: openDoor({ identify: () => ({ caller }), evaluations_per_minute: () => 1e9, elapsed }),
    clock: { now: Date.now, elapsed },
    recent,
    evaluations: async () => recent.list(),
    evaluated: () => {},
    records: async () => [],
    changed: async () => {},
  };
  const app = buildListener({ body_bytes_max: 1e6, judgements: ['caller'], unreadable: () => {} });
  evaluateStreams(
    app,
    point,
    async (reply, _request, body) => {
      try {
        return reply.send(await body());
      } catch (thrown) {
        const { status, code } = asFailure(thrown);
        return reply.code(status).send({ code });
      }
    },
    { body_bytes_max: 1e6, ...limits },
  );
  await app.listen({ port: 0, host: '127.0.0.1' });
  closing.push(() => app.close());
  return { recent, origin: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}` };
}

describe('a stream', () => {
  test('whose client does not read is cut in the end', async () => {
    const { recent, origin } = await house({ unread_bytes_max: 50_000, unread_ms_max: 200 });
    const stream = await openAsking(origin);
    stream.socket.pause();
    const question = JSON.stringify({ context: { metadata: { x: 'y'.repeat(500) } } });
    for (let sent = 0; recent.streams === 1 && sent < 1_000_000; sent += 1) {
      if (stream.socket.bufferedAmount < 4_000_000) stream.socket.send(question);
      if (sent % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await eventually(() => recent.streams === 0);
    // It answered until nobody took the answers, and no further.
    expect(recent.figures.total).toBeGreaterThan(50);
    stream.socket.terminate();
  });

  test('whose client is not there any more is cut, one that answers pings is not', async () => {
    const { recent, origin } = await house({ ping_ms: 1_000 });
    const silent = new WebSocket(`${origin.replace('http', 'ws')}/api/v1/evaluate/stream`, { autoPong: false });
    const over = new Promise((resolve) => silent.once('close', resolve));
    const stream = await openAsking(origin);
    expect(await over).toBe(1006);
    stream.say({ id: 1, context: {} });
    expect(await stream.next()).toMatchObject({ id: 1 });
    expect(recent.streams).toBe(1);
  });

  test('too many are told so', async () => {
    const { origin } = await house({ streams_max: 1 });
    const stream = await openAsking(origin);
    await expect(openAsking(origin)).rejects.toMatchObject({ status: 429, body: /rate_limit_exceeded/ });
    stream.socket.close();
    await stream.over;
    await eventually(async () => {
      const next = await openAsking(origin);
      next.socket.terminate();
      return true;
    });
  });
});
