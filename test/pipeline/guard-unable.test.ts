import { describe, expect, test } from 'vitest';
import type { LaneMatcher, PatternRef, StreamMatcher } from '../../src/exchange/index.ts';
import { Matchers } from '../../src/pipeline/index.ts';
import { inPieces } from '../support/carried.ts';
import { type Carrier, carriers, streamOf } from '../support/carriers.ts';
import { clientTexts } from '../support/client-texts.ts';
import { everyWay, GuardedReply, guarded, programOf, type Sides, wayName } from '../support/guarded.ts';
import { wellFormed } from '../support/well-formed.ts';

const redact = `
metadata: { id: p, name: P, version: 1.0.0 }
rules:
  - { id: r, on: response, action: { decision: modify, reason: x, redact: { rails: [pii], with: "[\${type}]" } } }
`;
const audit = redact.replace(
  /action:.*/,
  'condition: { operator: eq, field: rails.secrets.found, value: true }, action: { decision: audit, reason: seen } }',
);
const program = programOf([redact]);

/** Real matchers that give up after so many characters of a lane, or throw there. */
class Failing extends Matchers {
  readonly #after: number;
  readonly #how: 'unable' | 'throws';
  readonly #rail: string;

  constructor(after: number, how: 'unable' | 'throws', rail = 'pii') {
    super();
    this.#after = after;
    this.#how = how;
    this.#rail = rail;
  }

  override of(patterns: readonly PatternRef[]): StreamMatcher {
    const matcher = super.of(patterns);
    if (!patterns.some((one) => one.kind === 'rail' && one.rail === this.#rail)) return matcher;
    return { lane: (lane) => this.#failing(matcher.lane(lane)) };
  }

  #failing(lane: LaneMatcher): LaneMatcher {
    let fed = 0;
    let reason: string | undefined;
    const guardedFeed = (text: string): number => {
      fed += text.length;
      if (fed <= this.#after) return lane.feed(text);
      if (this.#how === 'throws') throw new TypeError('4111 is not a function');
      reason = 'a limit was passed';
      return lane.decided;
    };
    return {
      feed: guardedFeed,
      finish: () => (reason === undefined ? lane.finish() : lane.decided),
      get spans() {
        return lane.spans;
      },
      get decided() {
        return lane.decided;
      },
      get unable() {
        return reason;
      },
    };
  }
}

const safe = 'This much is said! ';
const text = `${safe}And then 4111 1111 1111 1111, which nobody judged.`;

describe.each(everyWay.map((sides) => ({ name: wayName(sides), sides })))(
  'what nobody could judge does not leave: $name',
  ({ sides }) => {
    const carrier = carriers.find(
      ({ name, provider }) => ['content', 'text'].includes(name) && provider === sides.provider,
    )!;
    const frames = sides.stream ? streamOf(carrier, inPieces(text, [3])) : [carrier.plain!(JSON.stringify(text))];

    test.each(['unable', 'throws'] as const)('a search that %s', async (how) => {
      const outcome = await guarded(program, sides, frames, { matchers: new Failing(safe.length + 6, how) });
      const { bytes, status, guarded: result } = outcome;
      expect(bytes.toString()).not.toMatch(/4111|nobody/);
      if (!sides.stream) {
        expect(status).toBeGreaterThanOrEqual(400);
        expect(bytes.toString()).not.toContain('This much');
        return;
      }
      expect(safe.concat('And the').startsWith(clientTexts(sides.client, true, bytes).get('0 content') ?? '')).toBe(
        true,
      );
      expect(status).toBe(200);
      // Not to be able is a refusal; to break is a fault, told as one.
      expect(result.ending).toBe(how === 'unable' ? 'ended_by_rail' : 'cut');
      const own = sides.provider === sides.client;
      expect(wellFormed(sides.client, bytes, { provider: own })).toBe(how === 'unable' ? 'end' : 'error');
    });
  },
);

describe('more matches in one text than can be kept apart', () => {
  const [content] = carriers as [Carrier];
  const flood = `${safe}${'Q!'.repeat(100_002)}`;
  const literal = programOf([redact.replace('rails: [pii]', 'rails: [pii], literals: [Q]')]);
  const openai: Sides = { provider: 'openai-chat', client: 'openai-chat', stream: true };

  test('end a stream', async () => {
    const { bytes, guarded: result } = await guarded(literal, openai, streamOf(content, inPieces(flood, [20_000])));
    expect(result.ending).toBe('ended_by_rail');
    expect(wellFormed('openai-chat', bytes, { provider: true })).toBe('end');
    expect(bytes.toString()).not.toContain('Q');
  });

  test('refuse a plain reply', async () => {
    const body = content.plain!(JSON.stringify(flood));
    const { bytes, status } = await guarded(literal, { ...openai, stream: false }, [body]);
    expect(status).toBe(400);
    expect(bytes.toString()).not.toContain('Q');
  });
});

describe('a search that only notes', () => {
  const [content] = carriers as [Carrier];
  const openai: Sides = { provider: 'openai-chat', client: 'openai-chat', stream: true };

  test('and is unable is a fact of the decision, and what is redacted is redacted all the same', async () => {
    const both = programOf([redact, audit.replace('id: p,', 'id: q,')]);
    const matchers = new Failing(10, 'unable', 'secrets');
    const { bytes, guarded: result } = await guarded(both, openai, streamOf(content, inPieces(text, [3])), {
      matchers,
    });
    expect(clientTexts('openai-chat', true, bytes).get('0 content')).toBe(
      text.replace('4111 1111 1111 1111', '[card]'),
    );
    expect(result.ending).toBe('complete');
    expect(result.decision?.unable.map((one) => one.rule)).toEqual(['q/r']);
  });

  test('and says that not to know is a no: the decision is one, and a stream that has left ends as it is', async () => {
    const no = programOf([redact, `${audit.replace('id: p,', 'id: q,')}on_error: deny\n`]);
    for (const client of ['openai-chat', 'anthropic-messages'] as const) {
      const matchers = new Failing(10, 'unable', 'secrets');
      const frames = streamOf(content, inPieces('Nothing of it is bad, and all of it has left.', [3]));
      const { bytes, guarded: result } = await guarded(no, { ...openai, client }, frames, { matchers });
      expect(result.ending).toBe('ended_by_rail');
      expect(result.decision?.decision).toBe('deny');
      expect(wellFormed(client, bytes, { provider: client === 'openai-chat' })).toBe('end');
    }
  });
});

describe('a rule that observes', () => {
  const [content] = carriers as [Carrier];
  const openai: Sides = { provider: 'openai-chat', client: 'openai-chat', stream: true };
  const deny = programOf([
    redact.replace(
      /action:.*/,
      'stream: observe, condition: { operator: eq, field: rails.pii.found, value: true }, action: { decision: deny, reason: seen } }',
    ),
  ]);
  const pieces = ['It is ', '4111 1111 ', '1111 1111', ', as you see. ', 'More.'];

  test('releases at once, stops the stream at the violation, and the record says how much had left', async () => {
    const reply = new GuardedReply(deny, openai);
    const frames = streamOf(content, pieces);
    let sent = '';
    for (const frame of frames.slice(0, 4)) {
      reply.push(frame);
      sent += frame;
      expect(Buffer.concat(reply.writes).toString()).toBe(sent);
    }
    for (const frame of frames.slice(4)) reply.push(frame);
    const { bytes, guarded: result } = await reply.over();
    expect(reply.aborted).toBeDefined();
    expect(result.ending).toBe('ended_by_rail');
    expect(clientTexts('openai-chat', true, bytes).get('0 content')).toBe('It is 4111 1111 1111 1111, as you see. ');
    expect(wellFormed('openai-chat', bytes, { provider: true })).toBe('end');
    expect(bytes.toString()).toContain('content_filter');
    expect(result.bytesOut).toBe(bytes.length);
    expect(result.found.map(({ span, redacted }) => [span.type, redacted])).toEqual([['card', false]]);
    expect(result.decision?.decision).toBe('deny');
  });

  test('a violation known only at the end ends the reply as a filtered one', async () => {
    for (const tail of [content.tail, content.tail.slice(1)]) {
      for (const client of ['openai-chat', 'anthropic-messages'] as const) {
        const frames = [...content.head, content.frame('"It is 4111111111111111"', false), ...tail];
        const { bytes, guarded: result } = await guarded(deny, { ...openai, client }, frames);
        expect(result.ending).toBe('ended_by_rail');
        expect(wellFormed(client, bytes, { provider: client === 'openai-chat' })).toBe('end');
        expect(bytes.toString()).toMatch(/content_filter|"refusal"/);
      }
    }
  });

  test('a plain reply is not given out', async () => {
    const body = content.plain!('"It is 4111111111111111"');
    const { status, bytes } = await guarded(deny, { ...openai, stream: false }, [body]);
    expect(status).toBe(400);
    expect(bytes.toString()).not.toContain('4111');
  });

  test('that only wants to know changes no byte', async () => {
    const seen = programOf([audit]);
    const key = `ghp_${'kD93hfUe02LsmPq7xZbT1vYw5cRnG8aJZz9Y'}`;
    const frames = streamOf(content, inPieces(`The key ${key}, and 4111111111111111.`, [4]));
    const { bytes, guarded: result } = await guarded(seen, openai, frames);
    expect(bytes.toString()).toBe(frames.join(''));
    expect(result.ending).toBe('complete');
    expect(result.decision?.decision).toBe('audit');
    expect(result.found.map(({ span }) => span.type)).toEqual(['github_token']);
  });
});

describe('frames that wait for one text while others go on', () => {
  const chunk = (index: number, content: string, finish_reason: string | null = null) =>
    `data: ${JSON.stringify({ id: 'a', choices: [{ index, delta: { content }, finish_reason }] })}\n\n`;
  const sides: Sides = { provider: 'openai-chat', client: 'openai-chat', stream: true };
  const others = Array.from({ length: 50 }, () => chunk(1, 'So it goes, on and on. '));
  const frames = [chunk(0, 'It is 4111 1111 '), ...others, chunk(0, '1111 1111', 'stop'), chunk(1, '', 'stop')];
  const stream = [...frames, 'data: [DONE]\n\n'];
  const bytes = Buffer.byteLength(frames.join(''));

  test('wait as long as there is room for them', async () => {
    const outcome = await guarded(program, sides, stream, { replyBytesMax: bytes });
    expect(clientTexts('openai-chat', true, outcome.bytes).get('0 content')).toBe('It is [card]');
    expect(outcome.guarded.ending).toBe('complete');
  });

  test('end the reply where there is no more: what nobody bounds grows without end', async () => {
    const outcome = await guarded(program, sides, stream, { replyBytesMax: bytes / 2 });
    expect(outcome.guarded.ending).toBe('ended_by_rail');
    expect(outcome.failure?.code).toBe('content_blocked');
    expect(outcome.bytes.toString()).not.toContain('4111');
  });

  test('do not wait where a rule only wants to know', async () => {
    const looking = programOf([audit.replace('rails.secrets', 'rails.pii')]);
    const outcome = await guarded(looking, sides, stream, { replyBytesMax: bytes / 2 });
    expect([outcome.guarded.ending, outcome.bytes.toString()]).toEqual(['complete', stream.join('')]);
    expect(outcome.guarded.found).toHaveLength(1);
  });
});

test('a reply of more texts at once than anybody can follow ends: each takes memory until it is over', async () => {
  const sides: Sides = { provider: 'openai-chat', client: 'openai-chat', stream: true };
  const delta = (aside: unknown, finish_reason: string | null = null) =>
    `data: ${JSON.stringify({ id: 'a', choices: [{ index: 0, delta: { aside }, finish_reason }] })}\n\n`;
  const some = [delta(Array(2000).fill('a')), delta(undefined, 'stop'), 'data: [DONE]\n\n'];
  expect((await guarded(program, sides, some)).bytes.toString()).toBe(some.join(''));
  const many = [...Array(9).keys()].map((turn) => delta({ [`turn${'abcdefghi'[turn]}`]: Array(2000).fill('a') }));
  const outcome = await guarded(program, sides, [...many, ...some.slice(1)]);
  expect([outcome.guarded.ending, outcome.guarded.failure?.code]).toEqual(['ended_by_rail', 'content_blocked']);
  expect(outcome.bytes.toString()).not.toContain('turni');
});
