import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { patternsOf } from '../../src/policy/index.ts';
import { compileMatcher } from '../../src/rails/index.ts';
import { inPieces } from '../support/carried.ts';
import { clientTexts } from '../support/client-texts.ts';
import { GuardedReply, programOf, type Sides } from '../support/guarded.ts';

const openai: Sides = { provider: 'openai-chat', client: 'openai-chat', stream: true };
const prose =
  'A library lends what it has to whoever asks, and asks for it back in time. Most of what people want to know of a ' +
  "book can be said in a sentence or two; the rest is in the book, as one can't fail to see.";
const words = prose.match(/\S+\s*/g) ?? [];

const redact = (rails: readonly string[]) => `
metadata: { id: p, name: P, version: 1.0.0 }
rules:
  - id: r
    on: response
    action: { decision: modify, reason: x, redact: { rails: [${rails.join(', ')}], literals: [Project Nightingale], with: "[\${type}]" } }
`;
const withoutMail = ['secrets', 'pii/card', 'pii/iban', 'pii/us_ssn', 'pii/phone', 'pii/ip'];

const pii = programOf([redact(['pii'])]);
const secrets = programOf([redact(['secrets'])]);
const mostly = programOf([redact(withoutMail)]);

const chunk = (index: number, content: string | undefined, finish_reason: string | null = null) =>
  `data: ${JSON.stringify({ id: 'a', choices: [{ index, delta: { content }, finish_reason }] })}\n\n`;
const done = 'data: [DONE]\n\n';
const left = (reply: GuardedReply) => Buffer.concat(reply.writes).toString();

describe('a frame of plain words leaves in the tick in which it came', () => {
  test('whole words, when nothing forbidden can begin with them', async () => {
    const reply = new GuardedReply(mostly, openai);
    let sent = '';
    for (const word of words) {
      reply.push(chunk(0, word));
      sent += chunk(0, word);
      expect(left(reply)).toBe(sent);
    }
    await reply.end();
  });

  // What can be the start of a match is the matcher's to say; that nothing else waits is the guard's.
  test.each([
    ['everything', ['secrets', 'pii']],
    ['everything but e-mail', withoutMail],
  ])('cut anywhere: it waits only while its text ends in what may become a match of %s', async (_, rails) => {
    const program = programOf([redact(rails)]);
    const matcher = compileMatcher(patternsOf({ rails, patterns: [], literals: ['Project Nightingale'], rule: 'p/r' }));
    let waited = 0;
    for (const lengths of [[1], [3], [7, 2], [5]]) {
      const pieces = inPieces(`${prose} Ring 212 555 or 415, or the key- holder; a Project Nightmare.`, lengths);
      const reply = new GuardedReply(program, openai);
      const lane = matcher.lane({ channel: 'content' });
      let fed = 0;
      let out = 0;
      const ends: number[] = [];
      for (const piece of pieces) {
        reply.push(chunk(0, piece));
        fed += piece.length;
        ends.push(fed);
        const decided = lane.feed(piece);
        while ((ends[out] ?? Number.POSITIVE_INFINITY) <= decided) out += 1;
        expect(left(reply)).toBe(
          pieces
            .slice(0, out)
            .map((one) => chunk(0, one))
            .join(''),
        );
        if (decided < fed) waited += 1;
      }
      const { bytes } = await reply.end(chunk(0, undefined, 'stop') + done);
      expect(bytes.toString()).toBe(
        `${pieces.map((one) => chunk(0, one)).join('')}${chunk(0, undefined, 'stop')}${done}`,
      );
    }
    expect(waited).toBeGreaterThan(10);
  });

  test('even inside a value, where rules only want to know of it', async () => {
    const audit = `
metadata: { id: p, name: P, version: 1.0.0 }
rules:
  - { id: a, on: response, condition: { operator: eq, field: rails.pii.found, value: true }, action: { decision: audit, reason: seen } }
`;
    const redactKeys = redact(['secrets']).replace('id: p,', 'id: q,');
    for (const policies of [[audit], [audit, redactKeys]]) {
      const reply = new GuardedReply(programOf(policies), openai);
      let sent = '';
      for (const digit of 'card 4111 1111 1111 1111, mail jane.doe@mail.example.org.') {
        reply.push(chunk(0, digit));
        sent += chunk(0, digit);
      }
      expect(left(reply)).toBe(sent);
      const { guarded } = await reply.end(chunk(0, undefined, 'stop') + done);
      expect(guarded.found.map(({ span, redacted }) => [span.type, redacted])).toEqual([
        ['card', false],
        ['email', false],
      ]);
      expect(guarded.decision?.matchedRules).toContain('p/a');
    }
  });
});

describe('while a frame waits', () => {
  test('pings and comments pass it', async () => {
    const reply = new GuardedReply(pii, openai);
    reply.push(chunk(0, 'It is 4111 1111'));
    expect(left(reply)).toBe('');
    reply.push(': ping\n\n');
    expect(left(reply)).toBe(': ping\n\n');
    reply.push(chunk(0, ' oh well! '));
    expect(left(reply)).toBe(`: ping\n\n${chunk(0, 'It is 4111 1111')}${chunk(0, ' oh well! ')}`);

    const sides: Sides = { provider: 'anthropic-messages', client: 'anthropic-messages', stream: true };
    const event = (type: string, members: object) =>
      `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`;
    const held = event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: '4111 1111' } });
    const before =
      event('message_start', { message: { content: [] } }) +
      event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
    const messages = new GuardedReply(pii, sides);
    messages.push(before + held + event('ping', {}));
    expect(left(messages)).toBe(before + event('ping', {}));
    await messages.fail();
    await reply.fail();
  });

  test('what came after it waits behind it, and all leave in the order in which they came', async () => {
    const reply = new GuardedReply(pii, openai);
    const frames = [
      chunk(0, 'It is 4111 1111'),
      chunk(1, 'Another choice. '),
      chunk(1, 'More! '),
      'data: {"id":"a","choices":[],"usage":{"prompt_tokens":1}}\n\n',
    ];
    for (const frame of frames) reply.push(frame);
    expect(left(reply)).toBe('');
    reply.push(chunk(0, ' oh well! '));
    expect(left(reply)).toBe(frames.join('') + chunk(0, ' oh well! '));
    await reply.fail();
  });

  test('the end of its choice lets it go, edited or not, and nothing is held any more', async () => {
    for (const [text, becomes] of [
      ['no. 4111 1111', 'no. 4111 1111'],
      ['no. 4111 1111 1111 1111', 'no. [card]'],
    ] as const) {
      const reply = new GuardedReply(pii, openai);
      reply.push(chunk(0, text));
      expect(left(reply)).toBe('');
      reply.push(chunk(0, undefined, 'stop'));
      expect(left(reply)).toBe(chunk(0, becomes) + chunk(0, undefined, 'stop'));
      reply.push(done);
      expect((await reply.end()).bytes.toString().endsWith(done)).toBe(true);
    }
  });

  test('a stream that breaks off tells of the fault and drops what waited', async () => {
    const reply = new GuardedReply(pii, openai);
    reply.push(chunk(0, 'Well. ') + chunk(0, 'It is 4111 1111'));
    const { bytes, guarded } = await reply.fail();
    expect(guarded.ending).toBe('cut');
    expect(bytes.toString()).toMatch(/"error"/);
    expect(bytes.toString()).not.toMatch(/4111|DONE/);
  });
});

describe('what waits is bounded', () => {
  const key = `sk-ant-api03-${'kD93hfUe02LsmPq7xZbT1vYw5cRnG8aJ'.repeat(400)}`;

  test('a key without end is a placeholder at once, and the rest is swallowed as it comes', async () => {
    const reply = new GuardedReply(secrets, openai);
    reply.push(chunk(0, 'The key: '));
    let frames = 1;
    for (const piece of inPieces(key, [50])) {
      reply.push(chunk(0, piece));
      frames += 1;
      const out = left(reply).split('\n\n').length - 1;
      expect(frames - out).toBeLessThan(4);
    }
    reply.push(chunk(0, ' and so on.') + chunk(0, undefined, 'stop') + done);
    const { bytes } = await reply.end();
    expect(clientTexts('openai-chat', true, bytes).get('0 content')).toBe('The key: [anthropic_api_key] and so on.');
  });

  test('a candidate that never ends is withheld, never released', async () => {
    const program = programOf([
      redact(['pii/iban']).replace('literals: [Project Nightingale]', "patterns: ['<<[^>]*>>']"),
    ]);
    const reply = new GuardedReply(program, openai);
    const pieces = ['Well. ', ...inPieces(`<<${'never ending '.repeat(800)}`, [64]), '>> end.'];
    let sent = 0;
    for (const piece of pieces) {
      reply.push(chunk(0, piece));
      sent += piece.length;
      const out = clientTexts('openai-chat', true, Buffer.from(left(reply))).get('0 content') ?? '';
      expect(out.startsWith('Well. ')).toBe(true);
      expect(out).not.toContain('never');
    }
    expect(sent).toBeGreaterThan(8192);
    reply.push(chunk(0, undefined, 'stop') + done);
    const { bytes } = await reply.end();
    expect(clientTexts('openai-chat', true, bytes).get('0 content')).toBe('Well. [r] end.');
  });

  test('texts that are whole by themselves leave nothing behind', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const reply = new GuardedReply(pii, openai);
    const choices = [{ index: 0, delta: { content: 'word ' } }];
    const frame = `data: ${JSON.stringify({ id: 'a', note: 'a field nobody knows', choices })}\n\n`;
    const pushed = (times: number): void => {
      for (let count = 0; count < times; count += 1) {
        reply.push(frame);
        reply.writes.length = 0;
      }
      collect();
    };
    // The automaton's shared tables grow with what was read so far, whoever read it: up to 8 MB once.
    pushed(500);
    const before = process.memoryUsage().arrayBuffers;
    pushed(5000);
    // Each of them was followed by a matcher of its own, with four kilobytes and more of memory: kept, that is over 20 MB.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10_000_000);
    await reply.fail();
  });
});
