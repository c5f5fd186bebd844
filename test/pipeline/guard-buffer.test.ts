import { afterEach, describe, expect, test, vi } from 'vitest';
import { inPieces } from '../support/carried.ts';
import { type Carrier, carriers, streamOf } from '../support/carriers.ts';
import { clientTexts } from '../support/client-texts.ts';
import { everyWay, GuardedReply, guarded, programOf, type Sides, wayName } from '../support/guarded.ts';
import { wellFormed } from '../support/well-formed.ts';

const rule = (condition: string, action: string) => `
metadata: { id: whole, name: Whole, version: 1.0.0 }
rules:
  - { id: r, on: response, stream: buffer, condition: ${condition}, action: ${action} }
`;
const deny = '{ decision: deny, reason: Too much of it. }';
const many = programOf([rule('{ operator: gt, field: rails.pii.count, value: 2 }', deny)]);
const long = programOf([rule('{ operator: gt, field: response.tokens, value: 5 }', deny)]);
const cutOff = programOf([rule('{ operator: eq, field: response.finishReason, value: stop }', deny)]);
const redactMany = programOf([
  rule(
    '{ operator: gte, field: rails.pii.count, value: 2 }',
    '{ decision: modify, reason: x, redact: { rails: [pii], with: "[$' + '{type}]" } }',
  ),
]);

const two = 'One 4111 1111 1111 1111 and two 5500 0000 0000 0004.';
const three = `${two} And jane.doe@mail.example.org.`;
const openai: Sides = { provider: 'openai-chat', client: 'openai-chat', stream: true };

function frames(carrier: Carrier, sides: Sides, text: string): string[] {
  return sides.stream ? streamOf(carrier, inPieces(text, [6])) : [carrier.plain!(JSON.stringify(text))];
}

afterEach(() => {
  vi.useRealTimers();
});

describe.each(everyWay.map((sides) => ({ name: wayName(sides), sides })))(
  'a rule on the whole reply: $name',
  ({ sides }) => {
    const carrier = carriers.find(
      ({ name, provider }) => ['content', 'text'].includes(name) && provider === sides.provider,
    )!;
    const said = (bytes: Buffer) => clientTexts(sides.client, sides.stream, bytes).get('0 content');

    test('lets nothing leave before its verdict, then everything', async () => {
      const reply = new GuardedReply(many, sides);
      for (const piece of frames(carrier, sides, two)) {
        reply.push(piece);
        expect(reply.writes).toEqual([]);
        expect(reply.headSent).toBe(false);
      }
      const { bytes, status } = await reply.end();
      expect(status).toBe(200);
      expect(said(bytes)).toBe(two);
      if (sides.provider === sides.client) expect(bytes.toString()).toBe(frames(carrier, sides, two).join(''));
    });

    test.each([
      ['by a count of findings', many, three],
      ['by the length of the reply', long, two],
      ['by the reason it ended', cutOff, two],
    ] as const)('refuses it %s, and nothing of it left', async (_, program, text) => {
      const { bytes, status, failure, guarded: result } = await guarded(program, sides, frames(carrier, sides, text));
      expect(result.ending).toBe('ended_by_rail');
      expect(result.decision?.determining).toEqual(['whole/r']);
      expect(status).toBe(program === many ? 400 : 403);
      // A stream of this provider tells no usage: a rule on the length cannot be answered, which is no yes.
      const untold = program === long && sides.stream && sides.provider === 'openai-chat';
      expect(failure?.message).toMatch(untold ? /^Could not be checked: response.tokens/ : /^Too much of it.$/);
      expect(bytes.toString()).not.toMatch(/One|4111/);
    });

    test('redacts what the decision on the whole says', async () => {
      const { bytes } = await guarded(redactMany, sides, frames(carrier, sides, three));
      expect(said(bytes)).toBe('One [card] and two [card]. And [email].');
      const single = 'One 4111 1111 1111 1111.';
      expect(said((await guarded(redactMany, sides, frames(carrier, sides, single))).bytes)).toBe(single);
    });

    test('refuses what is longer than may be held', async () => {
      const small = programOf([rule('{ operator: gt, field: rails.pii.count, value: 2 }', deny)], {
        bufferBytesMax: 900,
      });
      const {
        bytes,
        status,
        guarded: result,
      } = await guarded(small, sides, frames(carrier, sides, 'nothing bad '.repeat(80)));
      expect(result.ending).toBe('ended_by_rail');
      expect(result.decision?.unable.map((one) => one.rule)).toEqual(['whole/r']);
      expect(status).toBe(403);
      expect(bytes.toString()).not.toContain('nothing bad');
    });
  },
);

describe('a stream that is held whole', () => {
  const [content] = carriers as [Carrier];

  test('is kept alive by comments, and ends in its own format when it is refused after one', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const reply = new GuardedReply(many, openai);
    const [first, ...rest] = frames(content, openai, three);
    reply.push(first!);
    vi.advanceTimersByTime(9000);
    expect(reply.writes).toEqual([]);
    vi.advanceTimersByTime(1000);
    expect(reply.headSent).toBe(true);
    for (const piece of rest) reply.push(piece);
    vi.advanceTimersByTime(10_000);
    expect(reply.writes.map(String)).toEqual([': keep-alive\n\n', ': keep-alive\n\n']);
    const { bytes, status } = await reply.end();
    expect(status).toBe(200);
    expect(wellFormed('openai-chat', bytes)).toBe('end');
    expect(bytes.toString()).toContain('"finish_reason":"content_filter"');
    expect(bytes.toString()).not.toMatch(/One|4111/);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('and so is one with a single frame that waits for what may become a match', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const program = programOf([
      rule('{ operator: eq, field: rails.pii.found, value: true }', deny).replace('stream: buffer,', ''),
    ]);
    const reply = new GuardedReply(program, openai);
    reply.push(content.frame('"Well. "', false));
    reply.push(content.frame('"4111 1111 "', false));
    vi.advanceTimersByTime(20_000);
    expect(reply.writes.slice(1).map(String)).toEqual([': keep-alive\n\n']);
    await reply.fail();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('lets pings pass', async () => {
    const reply = new GuardedReply(many, openai);
    reply.push(`${content.frame('"One "', false)}: ping\n\n`);
    expect(reply.writes.map(String)).toEqual([': ping\n\n']);
    await reply.fail();
  });

  test('tells of a fault with nothing of what was held', async () => {
    const reply = new GuardedReply(many, openai);
    for (const piece of frames(content, openai, two).slice(0, -2)) reply.push(piece);
    const { bytes, status } = await reply.fail();
    expect(status).toBe(502);
    expect(bytes.toString()).not.toMatch(/One|4111/);
  });

  test('a deny on a single finding does not wait for the end', async () => {
    const both = programOf([
      rule('{ operator: gt, field: response.tokens, value: 1000 }', deny),
      rule('{ operator: contains, field: rails.pii.types, value: card }', deny)
        .replace('stream: buffer,', '')
        .replace('id: whole', 'id: card'),
    ]);
    const reply = new GuardedReply(both, openai);
    for (const piece of frames(content, openai, two).slice(0, -2)) reply.push(piece);
    const { status, bytes, guarded: result } = await reply.over();
    expect(reply.aborted).toBeDefined();
    expect(result.decision?.determining).toEqual(['card/r']);
    expect(status).toBe(400);
    expect(bytes.toString()).not.toMatch(/One|4111/);
  });

  test('what two rules see in one place is a finding of both, so neither is left out of the decision', async () => {
    const policies = [
      rule('{ operator: gt, field: response.tokens, value: 1000 }', deny),
      `
metadata: { id: two, name: Two, version: 1.0.0 }
rules:
  - { id: keys, on: response, condition: { operator: eq, field: rails.secrets.found, value: true }, action: { decision: modify, reason: x, redact: { rails: [secrets] } } }
  - { id: pii, on: response, condition: { operator: eq, field: rails.pii.found, value: true }, action: { decision: modify, reason: x, redact: { rails: [pii] } } }
`,
    ];
    const text = `It is glpat-${'kD93hfUe02LsmPq7xZbT'}.jane.doe@mail.example.org, yes.`;
    const { bytes, guarded: result } = await guarded(programOf(policies), openai, frames(content, openai, text));
    expect(result.decision?.matchedRules.toSorted()).toEqual(['two/keys', 'two/pii']);
    expect(bytes.toString()).not.toMatch(/glpat|jane|example\.org/);
  });
});
