import { describe, expect, test } from 'vitest';
import { inPieces, loadOf, placesOf, twoWays } from '../support/carried.ts';
import { type Carrier, carriers, streamOf } from '../support/carriers.ts';
import { clientTexts } from '../support/client-texts.ts';
import { type Forbidden, forbidden, holds, ownPatterns } from '../support/forbidden.ts';
import { everyWay, GuardedReply, guarded, type Outcome, programOf, type Sides, wayName } from '../support/guarded.ts';
import { wellFormed } from '../support/well-formed.ts';

const policy = (more = '', stream = '') => `
metadata: { id: leaks, name: Leaks, version: 1.0.0 }
rules:
  - id: deny
    on: response
    ${stream}
    condition:
      operator: or
      conditions:
        - { operator: any, field: rails.pii.types, value: [card, iban, us_ssn, email, phone, ip] }
        - { operator: eq, field: rails.secrets.found, value: true }
        - { operator: contains, field: response.text, value: Project Nightingale }
        - { operator: contains, field: response.text, value: Überraschung 🎉🎂 }
        - { operator: matches, field: response.text, value: 'KX-[0-9]{4}-(?:alpha|beta)' }
    action: { decision: deny, reason: This reply is not for you., ${more} }
`;
const program = programOf([policy()]);
const pick = (type: string): Forbidden => forbidden.find((one) => one.type === type && one.value.length < 200)!;
const values = [...['card', 'email', 'jwt', 'private_key', 'us_ssn'].map(pick), ...ownPatterns];
const main: readonly Carrier[] = carriers.filter(({ name }) => ['content', 'text'].includes(name));

/** The reply ended as a filtered one does, and all the client has is a beginning of what came before the value. */
function expectEnded(sides: Sides, value: Forbidden, safe: string, outcome: Outcome, lane = '0 content'): void {
  const { bytes, status, failure, guarded: result } = outcome;
  expect(result.ending).toBe('ended_by_rail');
  expect(failure?.code).toBe('content_blocked');
  expect(result.decision?.decision).toBe('deny');
  expect(holds(bytes.toString(), value)).toBe(false);
  if (status !== 200) {
    expect(status).toBe(400);
    expect(bytes.toString()).toContain('This reply is not for you.');
    expect(bytes.toString()).not.toContain('Please');
    return;
  }
  expect(wellFormed(sides.client, bytes, { provider: sides.provider === sides.client })).toBe('end');
  expect(bytes.toString()).toMatch(
    sides.client === 'openai-chat' ? /"finish_reason":"content_filter"/ : /"stop_reason":"refusal"/,
  );
  expect(safe.startsWith(clientTexts(sides.client, true, bytes).get(lane) ?? '')).toBe(true);
}

describe.each(everyWay.map((sides) => ({ name: wayName(sides), sides })))('a deny rule: $name', ({ sides }) => {
  const carrier = main.find(({ provider }) => provider === sides.provider)!;

  test.each(values.map((value) => ({ type: value.type, value })))('ends the reply at $type', async ({ value }) => {
    const load = loadOf(carrier, value);
    const safe = load.text.slice(0, load.from);
    if (!sides.stream) {
      const outcome = await guarded(program, sides, [carrier.plain!(JSON.stringify(load.text))]);
      expect(outcome.status).toBe(400);
      expect(outcome.guarded.bytesOut).toBe(0);
      expectEnded(sides, value, safe, outcome);
      return;
    }
    for (const pieces of [
      [load.text],
      ...twoWays(load.text, placesOf(load, 6)),
      inPieces(load.text, [1]),
      inPieces(load.text, [5]),
    ]) {
      expectEnded(sides, value, safe, await guarded(program, sides, streamOf(carrier, pieces)));
    }
  });
});

describe('a reply that is ended', () => {
  const card = pick('card');
  const content = main[0]!;
  const sides: Sides = { provider: 'openai-chat', client: 'openai-chat', stream: true };

  test('calls the provider off, and nothing that comes later leaves', async () => {
    const reply = new GuardedReply(program, sides);
    for (const frame of streamOf(content, ['Hello. ', card.value, ' and ']).slice(0, -2)) reply.push(frame);
    const { bytes } = await reply.over();
    expect(reply.aborted?.code).toBe('content_blocked');
    reply.push(content.frame('"more"', false));
    expect(Buffer.concat(reply.writes).toString()).not.toContain('more');
    expect(bytes.toString()).not.toContain('more');
  });

  test('is a refusal with a status line while nothing has left', async () => {
    const frames = streamOf(content, [card.value, '.']).slice(1);
    const outcome = await guarded(program, sides, frames);
    expect(outcome.status).toBe(400);
    expect(JSON.parse(outcome.bytes.toString()).error).toMatchObject({ code: 'content_blocked', rule: 'leaks/deny' });
    const custom = programOf([policy('status: 451, code: leak')]);
    expect((await guarded(custom, sides, frames)).status).toBe(451);
    const plain = await guarded(custom, { ...sides, stream: false }, [content.plain!(JSON.stringify(card.value))]);
    expect(plain.status).toBe(451);
  });

  test('closes every choice and every block that was open', async () => {
    const second = carriers.find(({ name }) => name === 'second choice')!;
    const choices = await guarded(program, sides, streamOf(second, ['Well, ', card.value, '.']));
    expect(wellFormed('openai-chat', choices.bytes, { provider: true })).toBe('end');
    expect(choices.bytes.toString().match(/content_filter/g)).toHaveLength(2);
    const tool = carriers.find(
      ({ name, provider }) => name === 'second tool_use, in a string' && provider === 'anthropic-messages',
    )!;
    const own: Sides = { provider: 'anthropic-messages', client: 'anthropic-messages', stream: true };
    const { bytes } = await guarded(program, own, streamOf(tool, inPieces(loadOf(tool, card).text, [4])));
    expect(wellFormed('anthropic-messages', bytes)).toBe('end');
    expect(bytes.toString()).not.toContain('4111');
  });

  test.each(carriers.map((carrier) => ({ name: `${carrier.provider}, ${carrier.name}`, carrier })))(
    'in $name',
    async ({ carrier }) => {
      const load = loadOf(carrier, card);
      for (const client of ['openai-chat', 'anthropic-messages'] as const) {
        const way: Sides = { provider: carrier.provider, client, stream: true };
        for (const pieces of [inPieces(load.text, [1]), inPieces(load.text, [6])]) {
          const { bytes, guarded: result } = await guarded(program, way, streamOf(carrier, pieces));
          expect(result.ending).toBe('ended_by_rail');
          expect(wellFormed(client, bytes, { provider: client === carrier.provider })).toBe('end');
          for (const text of clientTexts(client, true, bytes).values()) expect(text).not.toMatch(/411|u0034|go on/);
          const own = clientTexts(client, true, bytes).get(carrier.key[client] ?? '') ?? '';
          if (carrier.name !== 'custom tool') expect(load.text.slice(0, load.from).startsWith(own)).toBe(true);
        }
      }
    },
  );
});

describe('a match that grows over what is denied', () => {
  const redactAndDeny = `
metadata: { id: two, name: Two, version: 1.0.0 }
rules:
  - { id: r, on: response, action: { decision: modify, reason: x, redact: { rails: [secrets], with: "[key]" } } }
  - { id: d, on: response, condition: { operator: contains, field: response.text, value: NIGHTINGALE }, action: { decision: deny, reason: no } }
`;
  test('ends the reply, though its placeholder has left already', async () => {
    const text = `The key glpat-${'kD93hfUe02LsmPq7xZbT'}NIGHTINGALE1234 and so on.`;
    const content = main[0]!;
    const sides: Sides = { provider: 'openai-chat', client: 'openai-chat', stream: true };
    for (const pieces of [[text], inPieces(text, [1]), inPieces(text, [7])]) {
      const { bytes, guarded: result } = await guarded(programOf([redactAndDeny]), sides, streamOf(content, pieces));
      expect(result.ending).toBe('ended_by_rail');
      expect(result.decision?.determining).toEqual(['two/d']);
      expect('The key [key]'.startsWith(clientTexts('openai-chat', true, bytes).get('0 content') ?? '')).toBe(true);
    }
  });
});
