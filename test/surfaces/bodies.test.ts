import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildListener } from '../../src/surfaces/http/listener.ts';
import { eventually } from '../support/money.ts';

/** A listener that answers with what it was sent, and may hold no more than 1,000 bytes at once. */
const app = buildListener({
  judgements: ['open'],
  body_bytes_max: 1_000,
  in_flight_bytes_max: 1_000,
  unreadable: () => {},
});
app.post('/echo', { config: { judgement: 'open' } }, (request, reply) => reply.send(request.body));
/** Hands its requests on and hangs up, as a client would between a request's reading and its handling. */
const hangingUp = createServer((request, response) => {
  setImmediate(() => {
    app.server.emit('request', request, response);
    request.socket.destroy();
  });
});

beforeAll(async () => {
  await app.listen({ host: '127.0.0.1', port: 0 });
  await new Promise<void>((resolve) => hangingUp.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  hangingUp.close();
  await app.close();
});

interface Said {
  readonly socket: Socket;
  text: string;
}

function say(request: string, to = app.server): Said {
  const said: Said = { socket: connect((to.address() as AddressInfo).port, '127.0.0.1'), text: '' };
  said.socket.on('data', (chunk) => {
    said.text += chunk.toString('latin1');
  });
  said.socket.on('error', () => {});
  said.socket.write(request);
  return said;
}

const told = (body: string) => `POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const inPieces = (...pieces: string[]) =>
  `POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${[...pieces, '']
    .map((one) => `${one.length.toString(16)}\r\n${one}\r\n`)
    .join('')}`;

/** Whether all of the room is there again. */
async function roomy(): Promise<boolean> {
  const { socket, text } = await answered(say(told('r'.repeat(1_000))));
  socket.destroy();
  return text.startsWith('HTTP/1.1 200');
}

async function answered(said: Said): Promise<Said> {
  await eventually('a reply', () => said.text.includes('\r\n\r\n'));
  return said;
}

test.each([
  ['of told length', (body: string) => told(body)],
  ['in pieces', (body: string) => inPieces(body.slice(0, 3), body.slice(3))],
])('a body %s that comes with its head is read whole, and counted like any other', async (_, request) => {
  for (const size of [0, 1, 1_000]) {
    const body = 'b'.repeat(size);
    const { socket, text } = await answered(say(request(body.padEnd(4, '-').slice(0, Math.max(4, size)))));
    expect(text).toMatch(/^HTTP\/1\.1 200/);
    expect(text.split('\r\n\r\n')[1]).toContain(body);
    socket.destroy();
  }
  const over = await answered(say(request('b'.repeat(1_001))));
  expect(over.text).toMatch(/^HTTP\/1\.1 413/);
  over.socket.destroy();
  await eventually('there is room again', roomy);
});

test('requests that come in one piece are answered in their order', async () => {
  const bodies = ['first', 'second', 'third'];
  const said = say(bodies.map(told).join(''));
  await eventually('all replies', () => said.text.includes('third'));
  const places = bodies.map((body) => said.text.indexOf(body));
  expect(places).toEqual([...places].sort((a, b) => a - b));
  said.socket.destroy();
});

test.each([
  ['of told length', told('b'.repeat(900))],
  ['in pieces', inPieces('b'.repeat(900))],
])('a body %s whose client is gone before it is looked at holds no room', async (_, request) => {
  const { socket } = say(request, hangingUp);
  await new Promise((resolve) => socket.once('close', resolve));
  expect(await roomy()).toBe(true);
});
