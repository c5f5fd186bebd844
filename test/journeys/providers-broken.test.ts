import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type FailedCall, type FailingHouse, paths, startFailing } from '../support/failing.ts';
import type { FakeReply } from '../support/fake-provider.ts';
import { teamKey } from '../support/gateway.ts';
import { eventually } from '../support/money.ts';
import { openSocket } from '../support/raw-http.ts';
import { wellFormed } from '../support/well-formed.ts';

const redact = `
metadata: { id: redact, name: Redact, version: 1.0.0 }
rules:
  - id: cards
    on: response
    action: { decision: modify, redact: { rails: [pii/card], with: "[card]" } }
`;
const reply_bytes_max = 200_000;

let house: FailingHouse;
beforeAll(async () => {
  const server = { port: 0, shutdown_grace_ms: 2000, reply_bytes_max };
  house = await startFailing({ timeout_ms: 1500, first_token_timeout_ms: 900 }, { server }, { redact });
});
afterEach(() => {
  for (const fake of [house.a, house.c]) expect(fake.violations).toEqual([]);
});
afterAll(() => house.close());

const formatOf = { OpenAI: 'openai-chat', Anthropic: 'anthropic-messages' } as const;
const journeys = (['OpenAI', 'Anthropic'] as const).flatMap((language) =>
  (['a', 'c'] as const).map((name) => ({ language, name, speaks: name === 'a' ? 'OpenAI' : 'Anthropic' })),
);

/** What says that a reply is whole, in each language. */
const endMark = { OpenAI: /\[DONE\]|"finish_reason":"/, Anthropic: /message_stop|"stop_reason":"/ } as const;

describe.each(journeys)("$language's client before a provider that speaks $speaks", ({ language, name }) => {
  const format = formatOf[language];
  const text = 'One two three four five.';

  async function ask(reply: FakeReply, stream: boolean): Promise<FailedCall> {
    house.says({ [name]: [reply] });
    return house.ask(language, `model-${name}`, stream);
  }

  /** The client was told of a fault in its own language and of no end, and the record says the same. */
  async function isCut(answer: FailedCall, code: string): Promise<void> {
    expect(answer.status).toBe(200);
    expect(wellFormed(format, Buffer.from(answer.text))).toBe('error');
    expect(await answer.record()).toMatchObject({ ending: 'cut', failure: { code }, cost_estimated: true });
  }

  test('sees a fault wherever the stream breaks off, and never an end', async () => {
    const whole = await ask({ text }, true);
    expect(wellFormed(format, Buffer.from(whole.text))).toBe('end');
    const frames = house[name].requests[0]?.frames ?? 0;
    expect(frames).toBeGreaterThan(6);
    let streamed = 0;
    for (let die = 1; die < frames; die += 1) {
      const answer = await ask({ text, die }, true);
      if (answer.status === 200) {
        streamed += 1;
        await isCut(answer, 'upstream_error');
        // The frames that say how it ended come last: three of OpenAI's (finish, usage, [DONE]), two of Anthropic's.
        if (die < frames - 3) expect(answer.text).not.toMatch(endMark[language]);
        expect(answer.text).not.toMatch(/\[DONE\]|message_stop/);
      } else {
        // Nothing had been said yet: it is a status line.
        expect([answer.status, answer.error.code]).toEqual([502, 'upstream_error']);
        expect(await answer.record()).toMatchObject({ ending: 'failed' });
      }
    }
    expect(streamed).toBeGreaterThan(4);
  });

  test('sees a fault when the time of the exchange is over in the middle of a stream', async () => {
    const answer = await ask({ text, stall: 'middle' }, true);
    await isCut(answer, 'upstream_timeout');
    expect(answer.text).not.toMatch(endMark[language]);
    await house[name].requests[0]?.over;
    expect(house[name].requests[0]?.aborted_ms).toBeDefined();
  });

  test.each(['gzip', 'deflate', 'bare deflate', 'br'] as const)(
    'reads replies that come in %s though nobody asked, and rails read them too',
    async (encoding) => {
      const said = 'The card is 4111 1111 1111 1111, take it.';
      for (const stream of [false, true]) {
        const answer = await ask({ text: said, encoding }, stream);
        expect(answer.status).toBe(200);
        expect(answer.headers.get('content-encoding')).toBeNull();
        expect(answer.text).toContain('[card]');
        expect(answer.text).not.toContain('4111');
        if (stream) expect(wellFormed(format, Buffer.from(answer.text))).toBe('end');
        expect(await answer.record()).toMatchObject({ ending: 'complete', cost_estimated: false });
      }
    },
  );

  test('gets nothing of a reply in an encoding nobody knows', async () => {
    for (const stream of [false, true]) {
      const answer = await ask({ text, encoding: 'unknown' }, stream);
      expect([answer.status, answer.error.code]).toEqual([502, 'upstream_error']);
      expect(answer.error.message).toContain('encoding');
    }
  });

  test('gets nothing of a plain reply that is too large, and the provider is called off; streams have no such bound', async () => {
    const answer = await ask({ text: 'word '.repeat(reply_bytes_max / 4) }, false);
    expect([answer.status, answer.error.code]).toEqual([502, 'upstream_error']);
    expect(answer.error.message).toContain(`${reply_bytes_max} bytes`);
    expect(await answer.record()).toMatchObject({ ending: 'failed', failure: { status: 502 }, cost_estimated: true });
    const streamed = await ask({ text: 'word '.repeat(500), tcp_bytes: 4096 }, true);
    expect(wellFormed(format, Buffer.from(streamed.text))).toBe('end');
  });

  const wrong: Record<string, { contentType: string; chunks: string[] }> = {
    'that is not JSON': { contentType: 'application/json', chunks: ['{"id": "x", "choi'] },
    'that is a page': { contentType: 'text/html', chunks: ['<html><body>It works!</body></html>'] },
    'that is empty': { contentType: 'application/json', chunks: [''] },
    'that is a list': { contentType: 'application/json', chunks: ['[]'] },
    'that says a key twice': {
      contentType: 'application/json',
      chunks: ['{"id":"x","id":"y","choices":[],"content":[]}'],
    },
  };
  test.each(Object.entries(wrong))('gets nothing of a 200 %s', async (_name, raw) => {
    for (const stream of [false, true]) {
      const answer = await ask({ raw }, stream);
      expect([answer.status, answer.error.code], answer.text).toEqual([502, 'upstream_error']);
      expect(answer.text).not.toContain('It works');
      expect(await answer.record()).toMatchObject({ failure: { code: 'upstream_error', status: 502 } });
    }
  });

  test('gets nothing of an event stream that is none', async () => {
    for (const chunks of [['data: {"choi\n\n'], ['hello\n\n'], ['data: 7\n\n'], ['']]) {
      const answer = await ask({ raw: { contentType: 'text/event-stream', chunks } }, true);
      expect([answer.status, answer.error.code], answer.text).toEqual([502, 'upstream_error']);
      expect((await answer.record()).ending).not.toBe('complete');
    }
  });
});

describe('a client that reads slowly', () => {
  let slow: FailingHouse;
  beforeAll(async () => {
    slow = await startFailing({}, {}, { redact });
  });
  afterAll(() => slow.close());

  test.each(journeys)('holds the provider, not the memory: $language before $speaks', async ({ language, name }) => {
    slow.says({ [name]: [{ text: 'word '.repeat(4000), endless: true, pace_ms: 0, delta_characters: 10_000 }] });
    const fake = slow[name];
    const messages = [{ role: 'user', content: 'Hi' }];
    const body = JSON.stringify({ model: `model-${name}`, stream: true, max_tokens: 4_000_000, messages });
    const head = [
      `POST ${paths[language]} HTTP/1.1`,
      'Host: x',
      `Authorization: Bearer ${teamKey}`,
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
    ];
    const socket = openSocket(slow.gateway.origin);
    let read = 0;
    socket.on('data', (chunk) => {
      read += chunk.length;
    });
    socket.pause();
    socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
    await eventually('the call arrives', () => fake.requests.length === 1);
    const frames = () => fake.requests[0]?.frames ?? 0;
    await eventually('the provider stands still', async () => {
      const before = frames();
      await new Promise((resolve) => setTimeout(resolve, 100));
      return before > 10 && frames() === before;
    });
    // What lies between the two is what sockets hold; the gateway keeps a few frames.
    expect(frames() * 10_000).toBeLessThan(24_000_000);
    expect(fake.requests[0]?.aborted_ms).toBeUndefined();
    const before = frames();
    socket.resume();
    await eventually('it goes on', () => frames() > before + 50);
    expect(read).toBeGreaterThan(100_000);
    socket.destroy();
    await eventually('the provider is called off', () => fake.requests[0]?.aborted_ms !== undefined);
  });
});
