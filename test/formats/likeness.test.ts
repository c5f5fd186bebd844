import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ReplyEvent } from '../../src/exchange/index.ts';
import { MessageReading } from '../../src/formats/anthropic-messages/reply.ts';
import { anthropicMessages, openaiChat } from '../../src/formats/index.ts';
import { unambiguous } from '../../src/formats/json/index.ts';
import { ReplyReading } from '../../src/formats/openai-chat/reply.ts';

/** JSON strings as providers spell them: with escapes where none is needed, and without. */
const spelled = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 8 }).map((text) => JSON.stringify(text)),
  fc.constantFrom(
    '""',
    '"\\u0041\\ud83d\\ude00"',
    '"\\n\\n"',
    '"a\\/b"',
    '"\\\\"',
    '"\\""',
    '"\u007f"',
    '"}]"',
    '"\\ud800"',
  ),
);

const delta = fc.record({
  member: fc.constantFrom('content', 'content', 'content', 'reasoning_content', 'reasoning', 'refusal', 'notes'),
  text: spelled,
  padding: fc.option(spelled),
  first: fc.boolean(),
  index: fc.constantFrom(0, 0, 0, 1),
  logprobs: fc.constantFrom('null', 'null', '{"content":[{"token":"a"}]}'),
  reason: fc.constantFrom('null', 'null', 'null', '"stop"'),
  usage: fc.constantFrom('', '', ',"usage":null', ',"usage":{"prompt_tokens":1,"completion_tokens":2}'),
});

type Delta = typeof delta extends fc.Arbitrary<infer T> ? T : never;

function document({ member, text, padding, first, index, logprobs, reason, usage }: Delta): string {
  const obfuscation = padding === null ? '' : `"obfuscation":${padding}`;
  const choice = `{"index":${index},"delta":{"${member}":${text}},"logprobs":${logprobs},"finish_reason":${reason}}`;
  const head = first && obfuscation !== '' ? `${obfuscation},` : '';
  const tail = !first && obfuscation !== '' ? `,${obfuscation}` : '';
  return `{${head}"id":"c","model":"m","created":1,"choices":[${choice}]${usage}${tail}}`;
}

/** What each document says, every one of them parsed. */
function parsed(documents: readonly Buffer[]): ReplyEvent[] {
  const reading = new ReplyReading();
  return documents.flatMap((data) => {
    const read = unambiguous(data);
    return read.ok ? [...reading.said(read.value, data, false).events] : [];
  });
}

function decoded(documents: readonly Buffer[]) {
  const decoder = openaiChat.streamDecoder({ usageInjected: false });
  return documents.flatMap((data) => [
    ...decoder.push(Buffer.concat([Buffer.from('data: '), data, Buffer.from('\n\n')])),
  ]);
}

describe('a delta like the one before', () => {
  test('says what it would say were it parsed, however its texts are spelled', () => {
    fc.assert(
      fc.property(fc.array(delta, { maxLength: 12 }), fc.nat(3), (deltas, repeats) => {
        // Each is followed by some that differ in nothing but their texts.
        const documents = deltas
          .flatMap((one, at) => [
            one,
            ...deltas.slice(at + 1, at + 1 + repeats).map(({ text, padding }) => ({
              ...one,
              text,
              padding: one.padding === null ? null : (padding ?? one.padding),
            })),
          ])
          .map((one) => Buffer.from(document(one)));
        expect(decoded(documents).flatMap(({ events }) => events)).toEqual(parsed(documents));
      }),
      { numRuns: 500 },
    );
  });

  test('says so in Messages as well, block by block', () => {
    const block = fc.record({
      type: fc.constantFrom('text', 'thinking', 'tool_use', 'other'),
      member: fc.constantFrom('text', 'text', 'thinking', 'partial_json', 'notes', 'signature'),
      texts: fc.array(spelled, { maxLength: 5 }),
    });
    fc.assert(
      fc.property(fc.array(block, { maxLength: 5 }), (blocks) => {
        const documents = blocks
          .flatMap(({ type, member, texts }, index) => [
            `{"type":"content_block_start","index":${index},"content_block":{"type":"${type}","id":"t","name":"n"}}`,
            ...texts.map(
              (text) => `{"type":"content_block_delta","index":${index},"delta":{"type":"d","${member}":${text}}}`,
            ),
            `{"type":"content_block_stop","index":${index}}`,
          ])
          .map((text) => Buffer.from(text));
        const reading = new MessageReading();
        const expected = documents.flatMap((data) => {
          const read = unambiguous(data);
          return read.ok ? [...reading.event(read.value, '', data).events] : [];
        });
        const decoder = anthropicMessages.streamDecoder({ usageInjected: false });
        const frames = documents.flatMap((data) => [...decoder.push(Buffer.from(`data: ${data}\n\n`))]);
        expect(frames.flatMap(({ events }) => events)).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  test('keeps its bytes, and is rewritten where its text stands', () => {
    const documents = ['"one "', '"two "', '"\\u0074hree"'].map((text) =>
      Buffer.from(`{"id":"c","choices":[{"index":0,"delta":{"content":${text}}}],"obfuscation":"${text.length}x"}`),
    );
    const frames = decoded(documents);
    expect(frames.map(({ raw }) => raw.toString())).toEqual(documents.map((data) => `data: ${data}\n\n`));
    expect(frames.slice(1).map((frame) => frame.rewrite(['[x]']).toString())).toEqual(
      documents.slice(1).map((data) => `data: ${data.toString().replace(/"content":"[^"]*"/, '"content":"[x]"')}\n\n`),
    );
  });

  test.each([
    ['a control character in its text', Buffer.from('a\u0001b')],
    ['a text that is no UTF-8', Buffer.from([0x61, 0xc3, 0x28])],
    ['an escape that JSON does not know', Buffer.from('a\\xb')],
    ['a second member in its text', Buffer.from('a","content":"b')],
  ])('is refused like any other with %s', (_, text) => {
    const [before, after] = ['{"choices":[{"index":0,"delta":{"content":"', '"}}]}'].map((part) => Buffer.from(part));
    const of = (content: Buffer): Buffer => Buffer.concat([before ?? content, content, after ?? content]);
    const frames = decoded([of(Buffer.from('one')), of(Buffer.from('two')), of(text)]);
    expect(frames.at(-1)?.events.map(({ type }) => type)).toEqual(['error']);
  });
});
