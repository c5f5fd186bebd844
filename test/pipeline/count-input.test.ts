import fc from 'fast-check';
import { Tiktoken } from 'js-tiktoken/lite';
import o200k from 'js-tiktoken/ranks/o200k_base';
import { afterAll, describe, expect, test } from 'vitest';
import { formats } from '../../src/formats/index.ts';
import { countedInputMax } from '../../src/pipeline/count-input.ts';
import { inputTokensMax } from '../../src/pipeline/estimate.ts';
import { type Candidate, openTokenCounter } from '../../src/providers/index.ts';

const oracle = new Tiktoken(o200k);
const tokens = (text: string) => oracle.encode(text, [], []).length;
const counter = openTokenCounter();
afterAll(() => counter.close());

const candidate = { model: 'gpt-4o', tokenizer: 'o200k_base' } as Candidate;
const viewOf = (body: object) => formats['openai-chat'].read(Buffer.from(JSON.stringify({ model: 'gpt-4o', ...body })));
const counted = async (body: object) => (await countedInputMax(counter, viewOf(body), candidate, []))!;

const content = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc
    .array(fc.constantFrom('word', ' and', '\n', ' 12', '"', '\\', '你好', '😀', "'s", '    '), { maxLength: 40 })
    .map((all) => all.join('')),
);
const message = fc.record({ role: fc.constantFrom('system', 'user', 'assistant'), content });

describe('counted input', () => {
  test('is never fewer than what OpenAI documents that a chat is billed for', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 8 }), async (messages) => {
        // Three tokens a message, its role and its text; three that begin the reply.
        const billed = messages.reduce((sum, one) => sum + 3 + tokens(one.role) + tokens(one.content), 3);
        expect(await counted({ messages })).toBeGreaterThanOrEqual(billed);
        expect(inputTokensMax(viewOf({ messages }), candidate)).toBeGreaterThanOrEqual(billed);
      }),
      { numRuns: 200 },
    );
  });

  test('is never fewer than what OpenAI documents that tools are billed for', async () => {
    const name = fc.stringMatching(/^[a-z_]{1,16}$/);
    const property = fc.record({
      type: fc.constantFrom('string', 'number', 'boolean'),
      description: content,
      choices: fc.array(name, { maxLength: 4 }),
    });
    const tool = fc.record({ name, description: content, properties: fc.dictionary(name, property, { maxKeys: 5 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(tool, { minLength: 1, maxLength: 5 }), async (tools) => {
        let billed = 12;
        for (const { name, description, properties } of tools) {
          billed += 7 + tokens(`${name}:${description}`) + (Object.keys(properties).length > 0 ? 3 : 0);
          for (const [key, { type, description, choices }] of Object.entries(properties)) {
            billed += 3 + tokens(`${key}:${type}:${description}`);
            billed += choices.length === 0 ? 0 : choices.reduce((sum, one) => sum + 3 + tokens(one), -3);
          }
        }
        const asTool = ({ name, description, properties }: (typeof tools)[number]) => ({
          type: 'function',
          function: {
            name,
            description,
            parameters: {
              type: 'object',
              properties: Object.fromEntries(
                Object.entries(properties).map(([key, { type, description, choices }]) => [
                  key,
                  { type, description, ...(choices.length === 0 ? {} : { enum: choices }) },
                ]),
              ),
            },
          },
        });
        const messages = [{ role: 'user', content: 'Hi' }];
        const body = { messages, tools: tools.map(asTool) };
        expect(await counted(body)).toBeGreaterThanOrEqual(billed + 3 + 3 + 2);
      }),
      { numRuns: 100 },
    );
  });

  test('is never more than the bound of the bytes, and near the text for a long one', async () => {
    const text = 'A gateway counts what a call may cost before it lets it go. '.repeat(100);
    const body = { messages: [{ role: 'user', content: text }] };
    const count = await counted(body);
    expect(count).toBeLessThan(inputTokensMax(viewOf(body), candidate) / 3);
    expect(count).toBeLessThan(tokens(text) + 120);
  });

  test('counts the text that is sent, where a rule has redacted it', async () => {
    const view = viewOf({ messages: [{ role: 'user', content: 'short' }] });
    const [passage] = view.passages;
    const text = '[REDACTED:something long] '.repeat(50);
    const count = (await countedInputMax(counter, view, candidate, [{ passage: passage!, text }]))!;
    expect(count).toBeGreaterThanOrEqual(tokens(text));
  });

  test('takes an image by its size and not by its bytes, and the dearest where nothing is known of it', () => {
    const png = Buffer.concat([
      Buffer.from('89504e470d0a1a0a0000000d494844520000040000000400', 'hex'),
      Buffer.alloc(90_000),
    ]).toString('base64');
    const part = (url: string, detail?: string) => ({
      type: 'image_url',
      image_url: { url, ...(detail && { detail }) },
    });
    const bound = (parts: object[], rule?: Candidate['imageTokens']) =>
      inputTokensMax(viewOf({ messages: [{ role: 'user', content: parts }] }), {
        ...candidate,
        ...(rule === undefined ? {} : { imageTokens: rule }),
      });
    const data = `data:image/png;base64,${png}`;
    const tiles = { by: 'tiles', base: 85, tile: 170 } as const;
    // 1024 by 1024 is billed with 765 (OpenAI, vision guide); what is around it is bytes.
    expect(bound([part(data)], tiles)).toBeGreaterThanOrEqual(765);
    expect(bound([part(data)], tiles)).toBeLessThan(765 + 300);
    expect(bound([part(data, 'low')], tiles)).toBeLessThan(85 + 300);
    expect(bound([part('https://example.com/a.png')], tiles)).toBeGreaterThanOrEqual(85 + 8 * 170);
    expect(bound([part(data)])).toBeGreaterThanOrEqual(48_169);
    expect(bound([part(data), part(data)])).toBeGreaterThanOrEqual(2 * 48_169);
    const patches = { by: 'patches', most: 1536, factor_percent: 162 } as const;
    expect(bound([part(data)], patches)).toBeGreaterThanOrEqual(Math.ceil(1024 * 1.62));
    expect(bound([part(data)], { by: 'area', pixels_per_token: 750, most: 1600 })).toBeLessThan(1399 + 300);
  });
});
