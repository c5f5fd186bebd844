// The libraries of a gateway and nothing of ours: Fastify takes the call, undici makes it, both bodies are parsed. What a gateway
// costs beyond this is its own.
import Fastify from 'fastify';
import { Pool } from 'undici';

const pool = new Pool(process.argv[2], { connections: 256 });
const app = Fastify({ keepAliveTimeout: 600_000 });

app.removeAllContentTypeParsers();
app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
app.post('/v1/chat/completions', ({ body, url }, reply) => {
  JSON.parse(body.toString());
  reply.hijack();
  const response = reply.raw;
  const chunks = [];
  pool.dispatch(
    {
      method: 'POST',
      path: url,
      headers: { 'content-type': 'application/json', authorization: 'Bearer upstream-key' },
      body,
    },
    {
      onRequestStart() {},
      onResponseStart(_controller, status, headers) {
        response.writeHead(status, headers);
      },
      onResponseData(_controller, chunk) {
        chunks.push(chunk);
      },
      onResponseEnd() {
        const whole = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
        JSON.parse(whole.toString());
        response.end(whole);
      },
      onResponseError() {
        response.destroy();
      },
    },
  );
});

await app.listen({ port: 0, host: '127.0.0.1' });
console.log(JSON.stringify({ ready: true, address: `http://127.0.0.1:${app.server.address().port}` }));
process.on('SIGTERM', () => process.exit(0));
