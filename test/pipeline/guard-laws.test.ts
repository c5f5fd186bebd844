import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Span } from '../../src/exchange/index.ts';
import { planResponse } from '../../src/policy/index.ts';
import { compileMatcher, redactText } from '../../src/rails/index.ts';
import { inPieces } from '../support/carried.ts';
import { argumentWays, carriers, streamOf } from '../support/carriers.ts';
import { clientTexts, everything } from '../support/client-texts.ts';
import { forbidden, holds, redactReplies } from '../support/forbidden.ts';
import { guarded, programOf, type Sides } from '../support/guarded.ts';

/** Rules that only look on, at other things, must change nothing of it. */
const onlookers = `
metadata: { id: looks, name: Looks, version: 1.0.0 }
rules:
  - { id: words, on: response, condition: { operator: contains, field: response.text, value: and }, action: { decision: audit, reason: seen } }
  - { id: keys, on: response, condition: { operator: eq, field: rails.secrets.found, value: true }, action: { decision: warn, reason: seen } }
`;
const program = programOf([redactReplies, onlookers]);
const { patterns } = planResponse(programOf([redactReplies]), {});
const matcher = compileMatcher(patterns);
const bracketed = (span: Span): string => `[${span.type}]`;

const nearMisses = [
  '4111111111111112',
  '4111 1111 1111',
  'jane.doe@',
  'jane@localhost',
  '512-43-778',
  'DE89370400440532013001',
  'KX-4711-gamma',
  'Project Nightmare',
  'AKIA123',
  'ghp_short',
  '-----BEGIN PUBLIC KEY-----',
  'sk-ant-api03-',
  '999.1.2.3',
  '+49 30',
  'eyJ.eyJ',
];
const words = [
  'and',
  'the',
  ' ',
  ', ',
  '.\n',
  'number',
  '12',
  '4',
  '"',
  '\\',
  'é',
  '🎉',
  'Project',
  '-',
  'x',
  '@',
  '/',
  '\u200b',
  'Überraschung ',
];

const value = fc
  .constantFrom(...forbidden.filter((one) => one.value.length < 300))
  .map(({ before, value: own }) => before + own);
const part = fc.oneof(
  { weight: 3, arbitrary: value },
  { weight: 3, arbitrary: fc.constantFrom(...nearMisses) },
  { weight: 8, arbitrary: fc.constantFrom(...words) },
);
const text = fc.array(part, { minLength: 1, maxLength: 14 }).map((parts) => parts.join(''));
const cut = fc.array(fc.integer({ min: 1, max: 23 }), { minLength: 1, maxLength: 6 });

const content = carriers.find(({ name }) => name === 'content')!;
const block = carriers.find(({ name }) => name === 'text')!;
const runs = { numRuns: 150 };

function redacted(whole: string, channel: 'content' | 'tool_arguments' = 'content'): string {
  const result = redactText(whole, matcher, { channel }, (span) =>
    span.quote && channel === 'tool_arguments' ? JSON.stringify(bracketed(span)) : bracketed(span),
  );
  return result.outcome === 'redacted' ? result.text : 'unable';
}

describe('for every way of cutting a reply into chunks, concat(released) == redact(whole)', () => {
  for (const provider of ['openai-chat', 'anthropic-messages'] as const) {
    for (const client of ['openai-chat', 'anthropic-messages'] as const) {
      test(`${provider} to ${client}`, async () => {
        const carrier = provider === 'openai-chat' ? content : block;
        await fc.assert(
          fc.asyncProperty(text, cut, async (whole, lengths) => {
            const sides: Sides = { provider, client, stream: true };
            const streamed = await guarded(program, sides, streamOf(carrier, inPieces(whole, lengths)));
            const said = clientTexts(client, true, streamed.bytes).get('0 content') ?? '';
            expect(said).toBe(redacted(whole));
            const plain = await guarded(program, { ...sides, stream: false }, [carrier.plain!(JSON.stringify(whole))]);
            expect(clientTexts(client, false, plain.bytes).get('0 content') ?? '').toBe(said);
            expect(plain.guarded.found.length).toBe(streamed.guarded.found.length);
          }),
          runs,
        );
      });
    }
  }

  test('whatever other rules only want to know of the same text', async () => {
    const onlyPii = redactReplies
      .replace('rails: [pii, secrets]', 'rails: [pii]')
      .replace(/ +(literals|patterns):.*\n/g, '');
    const watched = programOf([onlyPii, onlookers]);
    const alone = compileMatcher(planResponse(programOf([onlyPii]), {}).patterns);
    const key = fc.constantFrom(
      'glpat-kD93hfUe02LsmPq7xZbT',
      'x-api-key: kD93hfUe02LsmPq7',
      'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI',
      '.',
    );
    const joined = fc.array(fc.oneof(part, key), { minLength: 1, maxLength: 12 }).map((parts) => parts.join(''));
    await fc.assert(
      fc.asyncProperty(joined, cut, async (whole, lengths) => {
        const sides: Sides = { provider: 'openai-chat', client: 'openai-chat', stream: true };
        const { bytes } = await guarded(watched, sides, streamOf(content, inPieces(whole, lengths)));
        const wanted = redactText(whole, alone, { channel: 'content' }, bracketed);
        expect(clientTexts('openai-chat', true, bytes).get('0 content') ?? '').toBe('text' in wanted && wanted.text);
      }),
      runs,
    );
  });

  test('of two choices whose chunks come in any order', async () => {
    const chunk = (index: number, members: object, finish: string | null = null) =>
      `data: ${JSON.stringify({ id: 'a', choices: [{ index, delta: members, finish_reason: finish }] })}\n\n`;
    await fc.assert(
      fc.asyncProperty(text, text, cut, fc.array(fc.boolean(), { minLength: 1 }), async (one, two, lengths, turns) => {
        const left = [inPieces(one, lengths), inPieces(two, lengths)];
        const frames: string[] = [];
        for (let turn = 0; left.some((pieces) => pieces.length > 0); turn += 1) {
          const first = turns[turn % turns.length] ? 0 : 1;
          const index = left[first]!.length > 0 ? first : 1 - first;
          frames.push(chunk(index, { content: left[index]!.shift() }));
        }
        const ends = [chunk(1, {}, 'stop'), chunk(0, {}, 'stop'), 'data: [DONE]\n\n'];
        const sides: Sides = { provider: 'openai-chat', client: 'openai-chat', stream: true };
        const { bytes } = await guarded(program, sides, [...frames, ...ends]);
        const said = clientTexts('openai-chat', true, bytes);
        expect([said.get('0 content') ?? '', said.get('1 content') ?? '']).toEqual([redacted(one), redacted(two)]);
      }),
      runs,
    );
  });

  test('of tool arguments, which stay JSON', async () => {
    const tool = carriers.find(({ name }) => name === 'tool call, in a string')!;
    const way = fc.constantFrom(...argumentWays.filter(({ numbers }) => !numbers));
    await fc.assert(
      fc.asyncProperty(text, way, cut, async (inner, { document }, lengths) => {
        const whole = document(inner);
        for (const client of ['openai-chat', 'anthropic-messages'] as const) {
          const sides: Sides = { provider: 'openai-chat', client, stream: true };
          const { bytes } = await guarded(program, sides, streamOf(tool, inPieces(whole, lengths)));
          const said = clientTexts(client, true, bytes).get('0 tool 0') ?? '';
          expect(said).toBe(redacted(whole, 'tool_arguments'));
          expect(() => everything(said)).not.toThrow();
        }
      }),
      runs,
    );
  });

  test('of the bytes themselves, wherever a socket cuts them', async () => {
    await fc.assert(
      fc.asyncProperty(
        text,
        cut,
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 }),
        async (whole, lengths, sizes) => {
          for (const [carrier, provider] of [
            [content, 'openai-chat'],
            [block, 'anthropic-messages'],
          ] as const) {
            const sides: Sides = { provider, client: provider, stream: true };
            const frames = streamOf(carrier, inPieces(whole, lengths));
            const bytes = Buffer.from(frames.join(''));
            const chunks: Buffer[] = [];
            for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
              const size = sizes[turn % sizes.length]!;
              chunks.push(bytes.subarray(at, at + size));
              at += size;
            }
            const cutByBytes = await guarded(program, sides, chunks);
            const cutByFrames = await guarded(program, sides, frames);
            expect(cutByBytes.bytes.toString()).toBe(cutByFrames.bytes.toString());
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('of several text blocks, read one by one or as one', async () => {
    const both: Sides = { provider: 'anthropic-messages', client: 'anthropic-messages', stream: true };
    const event = (type: string, members: object) =>
      `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`;
    const open = (index: number) => event('content_block_start', { index, content_block: { type: 'text', text: '' } });
    const delta = (index: number) => (piece: string) =>
      event('content_block_delta', { index, delta: { type: 'text_delta', text: piece } });
    const stream = (blocks: readonly string[], lengths: readonly number[]) => [
      block.head[0]!,
      ...blocks.flatMap((one, index) => [
        open(index),
        ...inPieces(one, lengths).map(delta(index)),
        event('content_block_stop', { index }),
      ]),
      ...block.tail.slice(1),
    ];
    const body = (blocks: readonly string[]) =>
      JSON.stringify({ content: blocks.map((one) => ({ type: 'text', text: one })), stop_reason: 'end_turn' });
    const said = async (client: Sides['client'], blocks: readonly string[], lengths: readonly number[] | undefined) => {
      const sides: Sides = { ...both, client, stream: lengths !== undefined };
      const { bytes } = await guarded(program, sides, lengths === undefined ? [body(blocks)] : stream(blocks, lengths));
      return clientTexts(client, sides.stream, bytes).get('0 content') ?? '';
    };
    await fc.assert(
      fc.asyncProperty(
        text,
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
        cut,
        async (whole, sizes, lengths) => {
          const blocks = inPieces(whole, sizes);
          const together = await said('anthropic-messages', blocks, lengths);
          expect(await said('anthropic-messages', blocks, [1])).toBe(together);
          expect(await said('openai-chat', blocks, [3])).toBe(together);
          expect(await said('openai-chat', blocks, undefined)).toBe(together);
          expect(await said('anthropic-messages', blocks, undefined)).toBe(together);
          // Neither what is forbidden in the whole is left, nor what is forbidden in a block.
          const apart = await guarded(program, { ...both, stream: false }, [body(blocks)]);
          const left = (JSON.parse(apart.bytes.toString()).content as { text: string }[]).map((one) => one.text);
          expect(left.join('')).toBe(together);
          for (const one of forbidden) {
            if (!holds(redacted(whole), one)) expect(holds(together, one)).toBe(false);
            blocks.forEach((given, at) => {
              if (!holds(redacted(given), one)) expect(holds(left[at] ?? '', one)).toBe(false);
            });
          }
          if (blocks.length === 1) expect(together).toBe(redacted(whole));
        },
      ),
      runs,
    );
  });
});
