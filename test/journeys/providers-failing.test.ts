import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type FailingHouse, startFailing } from '../support/failing.ts';
import type { FakeReply } from '../support/fake-provider.ts';
import { wellFormed } from '../support/well-formed.ts';

/** Short enough to be waited for, and longer than a busy machine takes to answer. */
const [timeout_ms, first_token_timeout_ms] = [1200, 600];

let house: FailingHouse;
beforeAll(async () => {
  house = await startFailing({
    timeout_ms,
    first_token_timeout_ms,
    connect_timeout_ms: 700,
    retry_after_max_ms: 2000,
  });
});
afterEach(() => {
  for (const fake of [house.a, house.b, house.c]) expect(fake.violations).toEqual([]);
});
afterAll(() => house.close());

const languages = ['OpenAI', 'Anthropic'] as const;
const ways = languages.flatMap((language) =>
  [false, true].map((stream) => ({ language, stream, way: stream ? 'streamed' : 'plain' })),
);
const formatOf = { OpenAI: 'openai-chat', Anthropic: 'anthropic-messages' } as const;
const asked = () => [house.a, house.b, house.c].map(({ requests }) => requests.length);

describe.each(ways)("a $way call of $language's", ({ language, stream }) => {
  test('to nobody at that address is 502', async () => {
    for (const model of ['model-refusing', 'model-nowhere']) {
      const answer = await house.ask(language, model, stream);
      expect([answer.status, answer.error.code]).toEqual([502, 'upstream_unreachable']);
      expect(answer.error.message).not.toMatch(/127\.0\.0\.1|no-such-host/);
      const record = await answer.record();
      expect(record).toMatchObject({
        ending: 'failed',
        failure: { code: 'upstream_unreachable', status: 502 },
        cost_nusd: 0,
      });
      expect(record.attempts).toMatchObject([{ failure: 'upstream_unreachable' }]);
    }
  });

  test('that is not answered in time is 504, and the provider is called off', async () => {
    for (const stall of ['head', 'first_frame'] as const) {
      house.says({ a: [{ stall }] });
      const answer = await house.ask(language, 'model-a', stream);
      expect([answer.status, answer.error.code]).toEqual([504, 'upstream_timeout']);
      expect(answer.ms).toBeGreaterThan((stream ? first_token_timeout_ms : timeout_ms) - 10);
      await house.a.requests[0]?.over;
      expect(house.a.requests[0]?.aborted_ms).toBeDefined();
      // It was sent: the provider may have read the prompt, and the bill is an estimate.
      expect(await answer.record()).toMatchObject({
        ending: 'failed',
        cost_estimated: true,
        failure: { code: 'upstream_timeout' },
      });
    }
  });

  test('whose provider hangs up before anything is 502', async () => {
    for (const die of ['head', 'first_frame'] as const) {
      house.says({ a: [{ die }] });
      const answer = await house.ask(language, 'model-a', stream);
      expect([answer.status, answer.error.code]).toEqual([502, 'upstream_error']);
      expect(await answer.record()).toMatchObject({ ending: 'failed', attempts: [{ failure: 'upstream_error' }] });
    }
  });

  const failures: Record<string, FakeReply> = {
    'hangs up at once': { die: 'head' },
    'hangs up after its head': { die: 'first_frame' },
    'says 429': { status: 429 },
    'says 500': { status: 500 },
    'says 503 and to wait for an hour': { status: 503, retryAfter: 3600 },
    'says 529': { status: 529 },
    'refuses our key': { status: 401 },
    'does not know the model': { status: 404 },
    'says nothing at all': stream ? { stall: 'head' } : { status: 408 },
    ...(stream
      ? {
          'says 200 and begins with an error': { firstFrameError: { message: 'Overloaded', type: 'overloaded_error' } },
        }
      : {}),
  };
  test.each(Object.entries(failures))('falls back to the next where one %s', async (_name, reply) => {
    house.says({ a: [reply], b: [{ text: 'From the second.' }] });
    const answer = await house.ask(language, 'ab', stream);
    expect([answer.status, ...asked()]).toEqual([200, 1, 1, 0]);
    if (stream) expect(wellFormed(formatOf[language], Buffer.from(answer.text))).toBe('end');
    expect(answer.text).not.toMatch(/fake status|Overloaded/);
    expect(answer.headers.get('x-llm-provider')).toBe('b');
    expect(answer.headers.get('x-llm-attempts')).toBe('2');
    const record = await answer.record();
    expect(record).toMatchObject({ ending: 'complete', provider: 'b', model_asked: 'ab', model_used: 'model-b' });
    expect(record.attempts.map(({ provider }) => provider)).toEqual(['a', 'b']);
  });

  test('falls back over languages too, both ways', async () => {
    for (const [model, first, second] of [
      ['ac', 'a', 'c'],
      ['ca', 'c', 'a'],
    ] as const) {
      house.says({ [first]: [{ status: 500 }], [second]: [{ text: 'From the second.' }] });
      const answer = await house.ask(language, model, stream);
      expect([answer.status, answer.headers.get('x-llm-provider')]).toEqual([200, second]);
      if (stream) expect(wellFormed(formatOf[language], Buffer.from(answer.text))).toBe('end');
    }
  });

  test('asks the candidates in their order, and tells the last refusal when none can', async () => {
    house.says({
      a: [{ status: 500 }],
      b: [{ status: 429 }],
      c: [{ status: 529, retryAfter: 7, error: { message: 'All busy.' } }],
    });
    const answer = await house.ask(language, 'abc', stream);
    expect([answer.status, answer.headers.get('retry-after'), ...asked()]).toEqual([529, '7', 1, 1, 1]);
    expect(answer.error.message).toBe('All busy.');
    expect((await answer.record()).attempts.map(({ provider, status }) => `${provider} ${status}`)).toEqual([
      'a 500',
      'b 429',
      'c 529',
    ]);
  });

  test('is not tried elsewhere where the request itself is at fault', async () => {
    house.says({ a: [{ status: 400, error: { message: 'Bad tools.' } }] });
    const answer = await house.ask(language, 'ab', stream);
    expect([answer.status, ...asked()]).toEqual([400, 1, 0, 0]);
    expect(answer.error.message).toBe('Bad tools.');
  });
});

describe('retries', () => {
  let patient: FailingHouse;
  beforeAll(async () => {
    patient = await startFailing({
      retries: 2,
      retry_after_max_ms: 1500,
      timeout_ms: 4000,
      first_token_timeout_ms: 750,
    });
  });
  afterAll(() => patient.close());

  test.each(ways)('are made before the first event alone: $way, $language', async ({ language, stream }) => {
    patient.says({ a: [{ die: 'head' }, { status: 503 }, { text: 'At last.' }] });
    const answer = await patient.ask(language, 'ab', stream);
    expect([answer.status, patient.a.requests.length, patient.b.requests.length]).toEqual([200, 3, 0]);
    expect(answer.headers.get('x-llm-attempts')).toBe('3');
    const record = await answer.record();
    expect(record.attempts.map(({ failure, status }) => failure ?? status)).toEqual([
      'upstream_error',
      'upstream_error',
      200,
    ]);
    if (!stream) return;
    patient.says({ a: [{ die: 2 }] });
    const cut = await patient.ask(language, 'ab', stream);
    expect([patient.a.requests.length, patient.b.requests.length]).toEqual([1, 0]);
    expect(wellFormed(formatOf[language], Buffer.from(cut.text))).toBe('error');
  });

  test('come after the time the provider asks for', async () => {
    patient.says({ a: [{ status: 429, retryAfter: 1 }, { text: 'Now.' }] });
    const answer = await patient.ask('OpenAI', 'model-a', false);
    expect(answer.status).toBe(200);
    const [first, second] = patient.a.requests;
    expect((second?.arrived_ms ?? 0) - (first?.arrived_ms ?? 0)).toBeGreaterThanOrEqual(990);
  });

  test('do not wait longer than we are ready to: the next candidate is asked at once', async () => {
    patient.says({ a: [{ status: 429, retryAfter: 30 }] });
    const answer = await patient.ask('OpenAI', 'ab', false);
    expect([answer.status, patient.a.requests.length, patient.b.requests.length]).toEqual([200, 1, 1]);
    // Not the thirty seconds that were asked for.
    expect(answer.ms).toBeLessThan(15_000);
  });

  test('end with the time of the whole exchange, which all attempts share', async () => {
    patient.says({ a: [{ stall: 'head' }], b: [{ stall: 'head' }] });
    const answer = await patient.ask('OpenAI', 'ab', false);
    expect([answer.status, answer.error.code]).toEqual([504, 'upstream_timeout']);
    expect(answer.ms).toBeGreaterThan(3900);
    // Twice four seconds would be a time of each attempt.
    expect(answer.ms).toBeLessThan(7900);
  });

  test('follow a candidate that says nothing in time, until they are used up', async () => {
    patient.says({ a: [{ stall: 'first_frame' }], b: [{ text: 'Here.' }] });
    const answer = await patient.ask('Anthropic', 'ab', true);
    expect([answer.status, patient.a.requests.length, patient.b.requests.length]).toEqual([200, 3, 1]);
  });
});

describe('a circuit', () => {
  // Long enough for all that is asked meanwhile.
  const open_ms = 3000;
  let broken: FailingHouse;
  beforeAll(async () => {
    broken = await startFailing({ circuit: { failures: 3, open_ms } });
  });
  afterAll(() => broken.close());

  const figure = async (provider: string) => {
    const text = await (await fetch(`${broken.gateway.metrics}/metrics`)).text();
    return new RegExp(`^llm_gateway_provider_circuit_open\\{provider="${provider}"\\} (\\d)$`, 'm').exec(text)?.[1];
  };

  test('opens after so many failures, is told by the metrics, lets one call probe, and closes', async () => {
    broken.says({ a: [{ status: 500 }] });
    for (let failure = 0; failure < 3; failure += 1)
      expect((await broken.ask('OpenAI', 'model-a', false)).status).toBe(500);
    const opened = performance.now();
    const refused = await broken.ask('OpenAI', 'model-a', false);
    expect([refused.status, refused.error.code]).toEqual([503, 'no_healthy_provider']);
    expect(refused.headers.get('retry-after')).not.toBeNull();
    expect(broken.a.requests.length).toBe(3);
    expect(await refused.record()).toMatchObject({
      ending: 'failed',
      attempts: [],
      cost_nusd: 0,
      failure: { code: 'no_healthy_provider' },
    });
    expect([await figure('a'), await figure('b')]).toEqual(['1', '0']);

    // Whoever names a second candidate is served by it, and the first is left in peace.
    const served = await broken.ask('OpenAI', 'ab', false);
    expect([served.status, served.headers.get('x-llm-provider')]).toEqual([200, 'b']);
    expect(performance.now() - opened).toBeLessThan(open_ms);
    expect(broken.a.requests.length).toBe(3);

    await new Promise((resolve) => setTimeout(resolve, open_ms - (performance.now() - opened) + 20));
    // It is still ill: one probe, and the circuit stays open.
    expect((await broken.ask('OpenAI', 'model-a', false)).status).toBe(500);
    expect((await broken.ask('OpenAI', 'model-a', false)).status).toBe(503);
    expect(broken.a.requests.length).toBe(4);

    broken.says({ a: [{}] });
    await new Promise((resolve) => setTimeout(resolve, open_ms + 20));
    for (let call = 0; call < 3; call += 1) expect((await broken.ask('OpenAI', 'model-a', false)).status).toBe(200);
    expect(await figure('a')).toBe('0');
  });

  test('stays closed for what is no illness: refusals of a request, and 429', async () => {
    for (const status of [400, 404, 413, 422, 429]) {
      broken.says({ b: [{ status }] });
      for (let call = 0; call < 4; call += 1)
        expect((await broken.ask('OpenAI', 'model-b', false)).status).toBe(status);
    }
    expect(await figure('b')).toBe('0');
  });
});
