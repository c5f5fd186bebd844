import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startGateway, type TestGateway, teamKey } from '../support/gateway.ts';
import { type RawProvider, type RawReply, rawCall, startRawProvider } from '../support/raw-provider.ts';

const redactCards = `
metadata: { id: cards, name: Cards, version: 1.0.0 }
rules:
  - id: cards
    condition: { operator: eq, field: rails.pii.found, value: true }
    action: { decision: modify, redact: { rails: [pii], with: "[card]" }, reason: a card }
`;

const watchReplies = `
metadata: { id: watch, name: Watch, version: 1.0.0 }
rules:
  - id: replies
    on: response
    action: { decision: modify, redact: { rails: [pii, secrets], with: "[gone]" }, reason: personal data }
`;

let provider: RawProvider;
let gateway: TestGateway;
let watched: TestGateway;
beforeAll(async () => {
  provider = await startRawProvider();
  watched = await startGateway({
    openai: provider.baseUrl,
    anthropic: provider.baseUrl,
    policies: { watch: watchReplies },
  });
  gateway = await startGateway({
    openai: provider.baseUrl,
    anthropic: provider.baseUrl,
    policies: { cards: redactCards },
    config: {
      models: {
        fast: { candidates: [{ provider: 'fake-openai', model: 'gpt-4o' }] },
        'fäst "2"': { candidates: [{ provider: 'fake-anthropic', model: 'claude-haiku-4-5' }] },
      },
    },
  });
});
beforeEach(() => {
  provider.requests.length = 0;
});
afterAll(async () => {
  await gateway.close();
  await watched.close();
  await provider.close();
});

const formats = {
  openai: { path: '/v1/chat/completions', model: 'gpt-4o', alias: 'fast' },
  anthropic: { path: '/v1/messages', model: 'claude-haiku-4-5', alias: 'fäst "2"' },
} as const;
type FormatId = keyof typeof formats;

function post(format: FormatId, body: string, chunkBytes?: number, to = gateway): Promise<RawReply> {
  return rawCall(to.origin + formats[format].path, {
    headers: [
      ['Authorization', `Bearer ${teamKey}`],
      ['Content-Type', 'application/json'],
    ],
    body,
    ...(chunkBytes === undefined ? {} : { chunkBytes }),
  });
}

/** JSON as no serialiser of ours would write it. `MODEL` stands for the JSON string of the model. */
const odd = {
  openai: `\r\n {\t"temperature":1.0,"top_p" : 1E0, "seed":12345678901234567890 ,"messages":[
    { "content" : "H\\u00e9llo \\ud83d\\ude00 \\/ \\u0041\\t", "role":"user" , "x_own":{"b":0.10,"a":1e2,"":null} },
    {"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{ \\"n\\":1.0, \\"n2\\":9007199254740993}"}}]},
    {"tool_call_id":"c","role":"tool","content":[ {"text":"é 😀","type":"text"} ]}
  ],"model"  :MODEL,"x_future":[1e400,-0,-0.0,1e-7, {"z":1,"y":2,"x":3}],"logit_bias":{"50256":-100.0},"metadata":{}, "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"b":{"maximum":18446744073709551615},"a":{}}}}}] } \n\n`,
  anthropic: `{"max_tokens" : 1e2,
  "thinking":{ "type":"enabled", "budget_tokens":64.0 },"model": MODEL ,
  "system":[{"cache_control":{"type":"ephemeral","ttl":"5m"},"text":"\\u0042e kind","type":"text","x":1.50}],
  "messages":[{"role":"user","content":[{"type":"text","text":"Hi \\u2028 \\/"},{"type":"x_block","deep":[[[{"k":1E+2}]]]}]},
   {"content":[{"signature":"c2ln","thinking":"hm","type":"thinking"},{"type":"tool_use","input":{"z":1.0,"a":123456789012345678901234567890},"id":"t","name":"f"}],"role":"assistant"},
   {"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"1.0"}]}], "x_beta" : {"q":[ ]} }`,
} as const;

const bodyFor = (format: FormatId, model: string) => odd[format].replace('MODEL', () => JSON.stringify(model));
const plain = {
  openai: `{ "choices":[{"message":{"content":"H\\u00e9llo","role":"assistant","x_own":[1.0,1e2]},"finish_reason":"stop", "index":0}],\r\n "id":"x" ,"usage":{"completion_tokens":2,"prompt_tokens":9007199254740993,"x_tokens":1.50,"total_tokens":3}, "x_future":12345678901234567890 }\n`,
  anthropic: `{"content":[{"text":"H\\u00e9llo","type":"text","x_own":[1.0,1e2]},{"type":"tool_use","id":"t","name":"f","input":{"b":1.0,"a":12345678901234567890}}],\r\n "stop_reason":"tool_use","id":"x","role":"assistant","type":"message" ,"usage":{"output_tokens":2,"input_tokens":1,"x":1.50}, "x_future":1e400 }\n`,
} as const;

function answerPlain(format: FormatId): void {
  provider.answer = (response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(plain[format]);
  };
}

describe.each(['openai', 'anthropic'] as const)('between two sides of the %s format', (format) => {
  const { model, alias } = formats[format];

  test('a request keeps every byte, however it is spelled and however it comes', async () => {
    answerPlain(format);
    const body = bodyFor(format, model);
    for (const chunkBytes of [undefined, 7]) {
      expect((await post(format, body, chunkBytes)).status).toBe(200);
      const received = provider.requests.at(-1);
      expect(received?.body.toString()).toBe(body);
      expect(received?.headers['content-length']).toBe(String(Buffer.byteLength(body)));
    }
  });

  test('of a request for an alias only the name of the model changes', async () => {
    answerPlain(format);
    expect((await post(format, bodyFor(format, alias))).status).toBe(200);
    expect(provider.requests[0]?.body.toString()).toBe(bodyFor(format, model));
  });

  test('of a request with a card only the text that has it changes', async () => {
    answerPlain(format);
    const body = bodyFor(format, model).replace('"1.0"}]}]', '"card 4111 1111 1111 1111 \\u0041"}]}]');
    const said = format === 'openai' ? body.replace('é 😀', '\\u0041 4111-1111-1111-1111!') : body;
    expect((await post(format, said)).status).toBe(200);
    expect(provider.requests[0]?.body.toString()).toBe(
      said
        .replace('\\u0041 4111-1111-1111-1111!', 'A [card]!')
        .replace('card 4111 1111 1111 1111 \\u0041', 'card [card] A'),
    );
  });

  test('a plain reply keeps every byte', async () => {
    answerPlain(format);
    const reply = await post(format, bodyFor(format, model));
    expect(reply.body.toString()).toBe(plain[format]);
    expect(reply.headers['content-length']).toBe(String(Buffer.byteLength(plain[format])));
  });

  test.each([1, 3000, 40_000])('a plain reply keeps every byte of %d characters beyond ASCII', async (characters) => {
    const bytes = Buffer.from(
      plain[format].replace('"x_future"', () => `"x_said":"${'é😀\u2028'.repeat(characters)}","x_future"`),
    );
    provider.answer = (response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(bytes);
    };
    const reply = await post(format, bodyFor(format, model));
    expect(reply.body.equals(bytes)).toBe(true);
    expect(reply.headers['content-length']).toBe(String(bytes.length));
  });
});

const frames = {
  openai: [
    '\ufeff: hello\r\n\r\n',
    'data:{ "choices":[{"delta":{"content":"H\\u00e9","role":"assistant","x_own":1.0},"index":0}] ,"id":"x","x_big":12345678901234567890}\r\n\r\n',
    ': ping\n\n',
    'id: 7\nretry: 1500\nevent: x-chunk\ndata:  {"id":"x","choices":[{"index":0,"delta":{"content":"llo"},"logprobs":null}],"obfuscation":"aB3"}\n\n',
    'x_field: y\rdata: {"id":"x",\rdata:  "choices":[{"index":0,"delta":{"content":" 😀"},"finish_reason":null}]}\r\r',
    'data: {"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop","x_why":"because"}]}\r\n: behind\r\n\r\n',
    'data: {"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2.0,"total_tokens":3}}\n\n',
    'data:[DONE]\n\n',
  ],
  anthropic: [
    'event:message_start\r\ndata:{"message":{"id":"x","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":5,"output_tokens":1,"x":1.0}},"type":"message_start"}\r\n\r\n',
    'event: ping\ndata: {"type": "ping"}\n\n',
    ': a comment\n\n',
    'event: content_block_start\ndata: {"index":0,"content_block":{"text":"","type":"text"}, "type":"content_block_start"}\n\n',
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,\ndata:  "delta":{"type":"text_delta","text":"H\\u00e9llo 😀"},"x_big":12345678901234567890}\n\n',
    'event: x_future\ndata: {"type":"x_future","say":1E2}\n\n',
    'event: content_block_stop\rdata: {"type":"content_block_stop","index":0}\r\r',
    'id: 9\nevent: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":7.0}}\n\n',
    'event: message_stop\ndata: {"type":"message_stop" }\n\n',
  ],
} as const;

const asks = {
  openai:
    '{"stream":true,"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}],"stream_options":{"include_usage":true}}',
  anthropic: '{"stream":true,"model":"claude-haiku-4-5","max_tokens":10,"messages":[{"role":"user","content":"Hi"}]}',
} as const;

/** Answers with these bytes as a stream, cut into writes of one size. */
function answerStream(bytes: Buffer, cut: number): void {
  provider.answer = async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let at = 0; at < bytes.length; at += cut) {
      response.write(bytes.subarray(at, at + cut));
      await new Promise((resolve) => setImmediate(resolve));
    }
    response.end();
  };
}

describe.each(['openai', 'anthropic'] as const)('a stream between two sides of the %s format', (format) => {
  test.each([100_000, 64, 5, 1])('keeps every byte, in writes of %d', async (cut) => {
    const bytes = Buffer.from(frames[format].join(''));
    answerStream(bytes, cut);
    const reply = await post(format, asks[format]);
    expect(reply.status).toBe(200);
    expect(reply.headers['content-type']).toMatch(/^text\/event-stream/);
    expect(reply.body.toString()).toBe(bytes.toString());
    expect(provider.requests[0]?.body.toString()).toBe(asks[format]);
    expect(Number(reply.trailers['x-llm-cost-usd'])).toBeGreaterThan(0);
  });

  test('keeps every byte where rails watch it and find nothing, plain and streamed', async () => {
    // Pings may overtake a frame that waits, so there are none here.
    const bytes = Buffer.from(frames[format].filter((frame) => !/^:|^event: ping/.test(frame)).join(''));
    for (const cut of [100_000, 5]) {
      answerStream(bytes, cut);
      expect((await post(format, asks[format], undefined, watched)).body.toString()).toBe(bytes.toString());
    }
    answerPlain(format);
    const reply = await post(format, bodyFor(format, formats[format].model), undefined, watched);
    expect(reply.body.toString()).toBe(plain[format]);
  });
});

describe.each(['openai', 'anthropic'] as const)('a stream of the %s format is over with its last word', (format) => {
  const bytes = Buffer.from(frames[format].join(''));

  test.each(['stays open', 'breaks'])('though its connection %s', async (how) => {
    provider.answer = async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      await new Promise<void>((resolve) => response.write(bytes, () => resolve()));
      if (how === 'breaks') setTimeout(() => response.destroy(), 5);
    };
    const reply = await post(format, asks[format]);
    expect(reply.body.toString()).toBe(bytes.toString());
    expect(Number(reply.trailers['x-llm-cost-usd'])).toBeGreaterThan(0);
  });
});

describe('usage that only the gateway asks for', () => {
  const ask = (options: string) =>
    `{ "messages":[{"role":"user","content":"Hi"}], "stream":true${options} ,"model":"gpt-4o"\n}`;
  const bytes = Buffer.from(frames.openai.join(''));
  const without = frames.openai.filter((frame) => !frame.includes('"choices":[],')).join('');

  test('is spliced into the request, and its chunk is taken out of the reply', async () => {
    answerStream(bytes, 33);
    const reply = await post('openai', ask(''));
    const sent = provider.requests[0]?.body.toString() ?? '';
    const added = /,\s*"stream_options":\{"include_usage":true\}/.exec(sent);
    expect(added).not.toBeNull();
    expect(sent.replace(added?.[0] ?? '', '')).toBe(ask(''));
    expect(reply.body.toString()).toBe(without);
  });

  test('is added to the options that are there', async () => {
    answerStream(bytes, 33);
    const reply = await post('openai', ask(',"stream_options" : { "include_obfuscation":false }'));
    const sent = provider.requests[0]?.body.toString() ?? '';
    expect(JSON.parse(sent).stream_options).toEqual({ include_obfuscation: false, include_usage: true });
    expect(sent.replace(/,\s*"include_usage":true/, '')).toBe(
      ask(',"stream_options" : { "include_obfuscation":false }'),
    );
    expect(reply.body.toString()).toBe(without);
  });

  test('takes the place of a no', async () => {
    answerStream(bytes, 33);
    const reply = await post('openai', ask(',"stream_options":{"include_usage": false }'));
    expect(provider.requests[0]?.body.toString()).toBe(ask(',"stream_options":{"include_usage": true }'));
    expect(reply.body.toString()).toBe(without);
  });
});
