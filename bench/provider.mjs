// The provider of the gateway benchmark: as cheap as Node can be, and strict. A wrong body or header is a 400.
import { createServer } from 'node:http';

const deltas = 300;
/** One paced write a delta. */
const pace_ms = 2;

const plain = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion',
    created: 1790000000,
    model: 'bench-model',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: 'The quick brown fox jumps over the lazy dog and goes home. '.repeat(7).trim(),
          refusal: null,
        },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: {
      prompt_tokens: 180,
      completion_tokens: 90,
      total_tokens: 270,
      prompt_tokens_details: { cached_tokens: 0 },
    },
    system_fingerprint: 'fp_bench',
  }),
);

const words = 'the model explains how rivers shape valleys over many thousand years of slow and patient work '.split(
  ' ',
);
const chunk = (choices, rest = '') =>
  Buffer.from(
    `data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1790000000,"model":"bench-model","system_fingerprint":"fp_bench","choices":${choices}${rest}}\n\n`,
  );
const frames = [
  chunk('[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]'),
  ...Array.from({ length: deltas }, (_, index) =>
    chunk(`[{"index":0,"delta":{"content":"${words[index % words.length]} "},"logprobs":null,"finish_reason":null}]`),
  ),
  chunk('[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]'),
];
const usage = chunk('[]', ',"usage":{"prompt_tokens":180,"completion_tokens":300,"total_tokens":480}');
const done = Buffer.from('data: [DONE]\n\n');

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (piece) => chunks.push(piece));
  request.on('end', () => {
    const body = Buffer.concat(chunks).toString();
    const wrong = wrongness(request, body);
    if (wrong !== undefined) {
      response
        .writeHead(400, { 'content-type': 'application/json' })
        .end(JSON.stringify({ error: { message: wrong } }));
    } else if (body.includes('"stream":true')) stream(response, body.includes('include_usage'));
    else response.writeHead(200, { 'content-type': 'application/json', 'content-length': plain.length }).end(plain);
  });
});

function wrongness({ headers }, body) {
  if (headers.authorization !== 'Bearer upstream-key') return 'wrong credentials';
  if (headers['accept-encoding'] !== undefined && headers['accept-encoding'] !== 'identity')
    return 'encoding asked for';
  if (!body.startsWith('{"model":"bench-model","messages":[')) return 'wrong body';
  for (const name of Object.keys(headers)) if (name.startsWith('x-llm-')) return `the gateway's own header ${name}`;
  return undefined;
}

function stream(response, usageAsked) {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  let next = 0;
  const timer = setInterval(() => {
    response.write(frames[next]);
    next += 1;
    if (next < frames.length) return;
    clearInterval(timer);
    if (usageAsked) response.write(usage);
    response.end(done);
  }, pace_ms);
  response.on('close', () => clearInterval(timer));
}

server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () =>
  console.log(JSON.stringify({ ready: true, address: `http://127.0.0.1:${server.address().port}` })),
);
process.on('SIGTERM', () => process.exit(0));
