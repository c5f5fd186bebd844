import { once } from 'node:events';
import { request as httpRequest, type ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { json } from '../support/api-provider.ts';
import { fakeOpenai, teamKey } from '../support/gateway.ts';
import { eventually } from '../support/money.ts';
import {
  cent,
  errorOf,
  type PassingHouse,
  type PassingOptions,
  passProvider,
  standing,
  startPassing,
} from '../support/passing.ts';
import { freePort } from '../support/redis.ts';

let house: PassingHouse;
beforeAll(async () => {
  house = await startPassing();
});
beforeEach(() => house.api.reset());
afterAll(() => house.close());

async function another(options: PassingOptions): Promise<PassingHouse> {
  const started = await startPassing(options);
  onTestFinished(() => started.close());
  return started;
}

/** Runs a step and says what it added to the spent amount, once nothing is held any more. */
async function spentBy(at: PassingHouse, step: () => Promise<unknown>): Promise<number> {
  const before = await standing(at);
  await step();
  await eventually('nothing is held', async () => (await standing(at)).held === 0);
  return (await standing(at)).spent - before.spent;
}

const frames = (response: ServerResponse) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('data: {"a":1}\n\n');
};

describe('a client that leaves takes its call with it, within a second', () => {
  const aborted = async (requestId: string, leave_ms: number) => {
    await eventually('the provider is told', () => house.api.calls[0]?.aborted_ms !== undefined);
    expect(house.api.calls[0]!.aborted_ms! - leave_ms).toBeLessThan(5000);
    const record = await house.asker.record(requestId);
    // It was sent and may be billed: what was held counts.
    expect(record).toMatchObject({ ending: 'aborted', cost_nusd: cent, cost_estimated: true, uninspected: true });
    expect(record.failure).toBeUndefined();
  };

  test('before the reply begins', async () => {
    house.api.answer = () => {};
    const abort = new AbortController();
    let left = 0;
    const spent = await spentBy(house, async () => {
      const call = house.pass('/slow', { headers: { 'x-request-id': 'left-early' }, signal: abort.signal });
      await eventually('it is under way', () => house.api.calls.length === 1);
      left = performance.now();
      abort.abort();
      await expect(call).rejects.toThrow();
    });
    expect(spent).toBe(cent);
    await aborted('left-early', left);
  });

  test('in the middle of a stream', async () => {
    house.api.answer = frames;
    const abort = new AbortController();
    let left = 0;
    const spent = await spentBy(house, async () => {
      const headers = { 'x-request-id': 'left-stream' };
      const response = await house.pass('/slow', { method: 'POST', body: '{}', headers, signal: abort.signal });
      await response.body!.getReader().read();
      left = performance.now();
      abort.abort();
    });
    expect(spent).toBe(cent);
    await aborted('left-stream', left);
  });

  test('in the middle of its own body', async () => {
    const outgoing = httpRequest(`${house.gateway.origin}/passthrough/${passProvider}/files`, {
      method: 'POST',
      headers: { authorization: `Bearer ${teamKey}`, 'content-length': '1000', 'x-request-id': 'left-upload' },
      agent: false,
    });
    outgoing.on('error', () => {});
    outgoing.write('x'.repeat(100));
    await eventually('half of it is there', () => house.api.calls[0]?.body.length === 100);
    const left = performance.now();
    outgoing.destroy();
    await aborted('left-upload', left);
  });
});

describe('a provider that fails is told as it is', () => {
  test('a refusal in an encoding nobody knows: its status, without its words, and nothing is spent', async () => {
    for (const status of [404, 429, 500]) {
      house.api.answer = (response) => json(response, status, '{"a":1}', { 'content-encoding': 'x-nobody-knows' });
      const spent = await spentBy(house, async () => {
        const response = await house.pass('/files', { method: 'POST', body: '{}' });
        expect(response.status).toBe(status);
        expect(response.headers.get('content-encoding')).toBeNull();
        expect(await response.text()).toBe('');
      });
      expect(spent).toBe(0);
    }
    house.api.answer = (response) => json(response, 200, '{"a":1}', { 'content-encoding': 'x-nobody-knows' });
    const spent = await spentBy(house, async () => {
      expect((await house.pass('/files', { method: 'POST', body: '{}' })).status).toBe(502);
    });
    expect(spent).toBe(cent);
  });

  test('nobody there: 502, and nothing is spent', async () => {
    const nobody = await another({
      providers: { [passProvider]: fakeOpenai(`http://127.0.0.1:${await freePort()}/v1`) },
    });
    const spent = await spentBy(nobody, async () => {
      for (const init of [{}, { method: 'POST', body: 'x'.repeat(100_000) }]) {
        const response = await nobody.pass('/files', init);
        expect(response.status).toBe(502);
        expect(await errorOf(response)).toMatchObject({ code: 'upstream_unreachable' });
      }
    });
    expect(spent).toBe(0);
  });

  test('silence: 504', async () => {
    const slow = await another({ config: { routing: { retries: 0, timeout_ms: 300 } } });
    slow.api.answer = () => {};
    const response = await slow.pass('/files', { headers: { 'x-request-id': 'silent' } });
    expect(response.status).toBe(504);
    expect(await errorOf(response)).toMatchObject({ code: 'upstream_timeout' });
    expect(await slow.asker.record('silent')).toMatchObject({
      ending: 'failed',
      failure: { code: 'upstream_timeout', status: 504 },
      attempts: [{ failure: 'upstream_timeout' }],
    });
    await eventually('it is called off', () => slow.api.calls[0]?.aborted_ms !== undefined);
  });

  test('gone before its reply: 502', async () => {
    house.api.answer = (response) => void response.destroy();
    const response = await house.pass('/files');
    expect(response.status).toBe(502);
    expect(await errorOf(response)).toMatchObject({ code: 'upstream_error' });
    // One call is one request: nothing is tried again.
    expect(house.api.calls.length).toBe(1);
  });

  test('gone in the middle of its reply: so is the connection, and nothing looks whole', async () => {
    house.api.answer = (response) => {
      frames(response);
      setTimeout(() => response.destroy(), 20);
    };
    const response = await house.pass('/slow', { headers: { 'x-request-id': 'cut' } });
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow();
    expect(await house.asker.record('cut')).toMatchObject({ ending: 'cut', failure: { code: 'upstream_error' } });
  });

  test('busy: its status and when to come back, asked once, at no cost', async () => {
    house.api.answer = (response) => json(response, 503, '{"error":"busy"}', { 'retry-after': '7' });
    const spent = await spentBy(house, async () => {
      const response = await house.pass('/files', { headers: { 'x-request-id': 'busy' } });
      expect([response.status, await response.text()]).toEqual([503, '{"error":"busy"}']);
      expect(response.headers.get('retry-after')).toBe('7');
    });
    expect(house.api.calls.length).toBe(1);
    expect(spent).toBe(0);
    expect(await house.asker.record('busy')).toMatchObject({
      ending: 'failed',
      failure: { code: 'upstream_error', status: 503 },
      cost_nusd: 0,
    });
  });

  test('out of time, behind a proxy: it may have run, so what was held counts', async () => {
    house.api.answer = (response) => json(response, 504, '{"error":"gateway timeout"}');
    const spent = await spentBy(house, async () => {
      const response = await house.pass('/files', { headers: { 'x-request-id': 'out-of-time' } });
      expect([response.status, await response.text()]).toEqual([504, '{"error":"gateway timeout"}']);
    });
    expect(spent).toBe(cent);
    expect(await house.asker.record('out-of-time')).toMatchObject({ cost_nusd: cent, cost_estimated: true });
  });

  test('a redirect is not followed', async () => {
    house.api.answer = (response) => void response.writeHead(302, { location: `${house.api.origin}/v1/other` }).end();
    const spent = await spentBy(house, async () => {
      const response = await house.pass('/files');
      expect([response.status, response.headers.get('location')]).toEqual([502, null]);
      await response.text();
    });
    expect([house.api.calls.length, spent]).toEqual([1, 0]);
  });

  test('a status that is none: 502', async () => {
    house.api.answer = (response) => void response.writeHead(700).end('what');
    const response = await house.pass('/files');
    expect(response.status).toBe(502);
    expect(await errorOf(response)).toMatchObject({ code: 'upstream_error' });
  });

  test('an answer before the body is there reaches the client all the same', async () => {
    house.api.early = (response) => {
      json(response, 422, '{"error":"no room"}');
      return true;
    };
    const outgoing = httpRequest(`${house.gateway.origin}/passthrough/${passProvider}/files`, {
      method: 'POST',
      headers: { authorization: `Bearer ${teamKey}`, 'content-length': '1000000' },
      agent: false,
    });
    outgoing.write('x'.repeat(1000));
    const [incoming] = await once(outgoing, 'response');
    let text = '';
    for await (const piece of incoming) text += piece;
    expect([incoming.statusCode, text]).toEqual([422, '{"error":"no room"}']);
    outgoing.destroy();
  });
});

test('a gateway that stops lets a call under way end, settled and recorded', async () => {
  const stopping = await startPassing();
  let finish: () => void = () => {};
  stopping.api.answer = (response) => {
    frames(response);
    finish = () => void response.end('data: [DONE]\n\n');
  };
  const response = await stopping.pass('/slow', { headers: { 'x-request-id': 'last' } });
  const closed = stopping.gateway.close();
  setTimeout(() => finish(), 100);
  expect(await response.text()).toBe('data: {"a":1}\n\ndata: [DONE]\n\n');
  await closed;
  await stopping.api.close();
});
