import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { json } from '../support/api-provider.ts';
import { teamKey } from '../support/gateway.ts';
import { eventually } from '../support/money.ts';
import { errorOf, type PassingHouse, passProvider, standing, startPassing } from '../support/passing.ts';
import { rawCall } from '../support/raw-provider.ts';

const body_bytes_max = 65_536;
let house: PassingHouse;
beforeAll(async () => {
  house = await startPassing({ config: { server: { port: 0, body_bytes_max, shutdown_grace_ms: 2000 } } });
});
beforeEach(() => house.api.reset());
afterAll(() => house.close());

const url = () => `${house.gateway.origin}/passthrough/${passProvider}`;
const key = ['Authorization', `Bearer ${teamKey}`] as const;

describe('limits hold', () => {
  const large = Buffer.alloc(body_bytes_max + 1, 'x');

  test('a body whose length is told is refused before it is read', async () => {
    const reply = await rawCall(`${url()}/files`, { headers: [key], body: large });
    expect(reply.status).toBe(413);
    expect(JSON.parse(reply.body.toString())).toMatchObject({ error: { code: 'request_too_large' } });
    expect(house.api.calls).toEqual([]);
  });

  test('one that comes in chunks is cut off where it passes the limit, and costs nothing', async () => {
    const before = await standing(house);
    const reply = await rawCall(`${url()}/files`, { headers: [key], body: large, chunkBytes: 16_384 });
    expect(reply.status).toBe(413);
    expect(JSON.parse(reply.body.toString())).toMatchObject({ error: { code: 'request_too_large', body_bytes_max } });
    await eventually('the provider is told', () => house.api.calls.every(({ aborted_ms }) => aborted_ms !== undefined));
    expect(await standing(house)).toEqual(before);
  });

  test('a body of just the limit passes, either way', async () => {
    for (const chunkBytes of [undefined, 4096]) {
      const body = large.subarray(1);
      const more = chunkBytes === undefined ? {} : { chunkBytes };
      expect((await rawCall(`${url()}/files`, { headers: [key], body, ...more })).status).toBe(200);
    }
    expect(house.api.calls.map(({ body }) => body.length)).toEqual([body_bytes_max, body_bytes_max]);
  });

  test('bytes in flight have a total over all calls', async () => {
    const full = await startPassing({
      config: { server: { port: 0, in_flight_bytes_max: 1024, shutdown_grace_ms: 2000 } },
    });
    onTestFinished(() => full.close());
    let release: () => void = () => {};
    full.api.answer = async (response) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      json(response, 200, '{}');
    };
    const first = full.pass('/files', { method: 'POST', body: 'x'.repeat(800) });
    await eventually('the first is under way', () => full.api.calls.length === 1);
    const second = await full.pass('/files', { method: 'POST', body: 'x'.repeat(800) });
    expect(second.status).toBe(429);
    expect(await errorOf(second)).toMatchObject({ code: 'rate_limit_exceeded', scope: 'gateway' });
    release();
    expect((await first).status).toBe(200);
    expect(full.api.calls.length).toBe(1);
  });
});
