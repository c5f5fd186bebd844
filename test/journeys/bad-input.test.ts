import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { adminKey, call, teamKey } from '../support/gateway.ts';
import { languages, openai, type RefusalHouse, startRefusals } from '../support/refusals.ts';

let house: RefusalHouse;
beforeAll(async () => {
  house = await startRefusals();
});
afterEach(() => house.serves());
afterAll(() => house.close());

const refused: RefusalHouse['refused'] = (...args) => house.refused(...args);

const nested = (depth: number) => `{"model":"x","messages":${'['.repeat(depth)}${']'.repeat(depth)}}`;

describe.each(languages)('$name clients', (language) => {
  const { body } = language;
  const text = (fields: Record<string, unknown>) => JSON.stringify({ ...body, ...fields });
  const without = (field: string) => JSON.stringify({ ...body, [field]: undefined });

  const bodies: Record<string, [string | Buffer, RegExp, string?]> = {
    'what is not JSON': ['model=gpt-4o', /not acceptable JSON.*line 1, column 1/],
    'JSON that breaks off': [JSON.stringify(body).slice(0, -5), /not acceptable JSON.*at byte \d+/],
    'an empty body': ['', /JSON/],
    'a list': ['[]', /must be a JSON object/],
    'invalid UTF-8': [Buffer.from(JSON.stringify(body).replace('Hi', 'H\u00ff'), 'latin1'), /UTF-8.*at byte/],
    'a key that stands twice': [JSON.stringify(body).replace('{', '{"model":"other",'), /twice.*at byte/],
    'a key that stands twice, spelled apart': [
      JSON.stringify(body).replace('{', '{"mod\\u0065l":"other",'),
      /twice.*at byte/,
    ],
    'nesting without end': [nested(100_000), /deeper than 128 levels/],
    'messages that are text': [text({ messages: 'Hi' }), /`messages` must be/, 'messages'],
    'a message that is none': [text({ messages: ['Hi'] }), /messages\[0\]/, 'messages[0]'],
    'a content of numbers': [
      text({ messages: [{ role: 'user', content: 7 }] }),
      /messages\[0\]\.content/,
      'messages[0].content',
    ],
    'a missing model': [without('model'), /`model` must be/, 'model'],
    'an empty model': [text({ model: ' ' }), /`model` must be/, 'model'],
    'missing messages': [without('messages'), /`messages` must be/, 'messages'],
    'a stream that says yes': [text({ stream: 'yes' }), /`stream` must be true or false/, 'stream'],
    'max_tokens below nought': [text({ max_tokens: -1 }), /`max_tokens` must be an integer, at least 1/, 'max_tokens'],
    'max_tokens beyond counting': [text({ max_tokens: 1e300 }), /`max_tokens`/, 'max_tokens'],
    'a temperature in words': [text({ temperature: 'hot' }), /`temperature` must be a number/, 'temperature'],
    'metadata in words': [text({ metadata: 'me' }), /`metadata` must be an object/, 'metadata'],
  };
  if (language === openai) bodies['no choice at all'] = [text({ n: 0 }), /`n` must be an integer from 1 to 128/, 'n'];

  test.each(Object.entries(bodies))('are told where %s is wrong', async (_name, [wrong, message, param]) => {
    await refused(
      language,
      { body: wrong },
      { status: 400, code: 'invalid_request', message, ...(param === undefined ? {} : { param }) },
    );
  });

  test('are told that a body is too large, when its length is told and when it is not', async () => {
    const wanted = { status: 413, code: 'request_too_large', message: /more than 33554432 bytes/ };
    const huge = Buffer.alloc(33 * 1024 * 1024, 0x20);
    await refused(language, { body: huge }, wanted);
    const auth = ['Authorization', `Bearer ${teamKey}`] as const;
    const size = Buffer.from(`${huge.length.toString(16)}\r\n`);
    const pieces = Buffer.concat([size, huge, Buffer.from('\r\n0\r\n\r\n')]);
    await refused(language, { body: pieces, headers: [auth, ['Transfer-Encoding', 'chunked']] }, wanted);
    // A client that still sends when the answer comes hears it all the same.
    const response = await call(house.gateway, language.path, huge.toString());
    expect([response.status, language.error(await response.text()).code]).toEqual([413, 'request_too_large']);
  });

  test('are told that encoded bodies are not read, whatever is in them', async () => {
    const plain = JSON.stringify(body);
    for (const [encoding, bytes] of [
      ['gzip', gzipSync(plain)],
      ['gzip', plain],
      ['br', plain],
      ['x-none', plain],
    ] as const) {
      const headers = [
        ['Authorization', `Bearer ${teamKey}`],
        ['Content-Encoding', encoding],
      ] as const;
      await refused(
        language,
        { body: bytes, headers },
        { status: 400, code: 'invalid_request', message: /without content-encoding/ },
      );
    }
  });

  test('are told of a model that is not there', async () => {
    const wanted = { status: 404, code: 'model_not_found', message: /'gpt-9'/, param: 'model' };
    await refused(language, { body: text({ model: 'gpt-9' }) }, wanted);
  });

  test('are told of a wrong method', async () => {
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH'])
      await refused(
        language,
        { method },
        { status: 404, code: 'not_supported', message: new RegExp(`${method} ${language.path} is not served`) },
      );
  });

  const stranger = ['lpk', 'AAAAAAAAAAAA', 'b'.repeat(43)].join('_');
  const credentials: Record<string, [readonly (readonly [string, string])[], RegExp]> = {
    'no key': [[], /No API key/],
    'a wrong key': [[['Authorization', `Bearer ${stranger}`]], /not valid/],
    'an empty key': [[['Authorization', 'Bearer ']], /not valid/],
    'a key with a word too many': [[['Authorization', `Bearer ${teamKey} x`]], /not valid/],
    'a key without Bearer': [[['Authorization', teamKey]], /not valid/],
    'a key in another scheme': [[['Authorization', `Basic ${teamKey}`]], /not valid/],
    'a key in a header nobody reads': [[['X-Auth-Token', teamKey]], /No API key/],
    'a key in a header of a proxy': [[['Proxy-Authorization', `Bearer ${teamKey}`]], /No API key/],
    'the admin key': [[['Authorization', `Bearer ${adminKey}`]], /not valid/],
    'two keys that differ': [
      [
        ['Authorization', `Bearer ${teamKey}`],
        ['X-Api-Key', stranger],
      ],
      /Two different/,
    ],
    'two keys that differ, the other way round': [
      [
        ['Authorization', `Bearer ${stranger}`],
        ['X-Api-Key', teamKey],
      ],
      /Two different/,
    ],
  };
  test.each(Object.entries(credentials))('with %s are not let in', async (_name, [headers, message]) => {
    const reply = await refused(
      language,
      { headers, body: JSON.stringify(body) },
      { status: 401, code: 'invalid_api_key', message },
    );
    expect(reply.body).not.toContain(teamKey);
    expect(reply.body).not.toContain(stranger);
  });

  test('with one key in two headers are let in', async () => {
    const response = await call(house.gateway, language.path, body, { 'x-api-key': teamKey });
    expect(response.status).toBe(200);
  });
});

test('every refusal left exactly one record, which says why', () => house.recorded());
