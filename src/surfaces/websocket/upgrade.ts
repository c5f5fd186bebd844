import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';

/** Takes a connection over from HTTP, or says no. */
export type Takes = (request: IncomingMessage, socket: Duplex, head: Buffer) => Promise<boolean>;

/**
 * Lets `take` have the requests for one path that ask to become a WebSocket. Every other request that names another
 * protocol, and one that was refused, is answered as if it had not: HTTP lets a server ignore the wish, and clients that
 * offer `h2c` with each call count on that.
 */
export function upgrades(server: Server, path: string, take: Takes): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // A connection that breaks while it is nobody's must not end the process.
    const broken = (): void => void socket.destroy();
    socket.on('error', broken);
    const asPlain = (): void => {
      socket.off('error', broken);
      if (!socket.destroyed) answerPlainly(server, request, socket, head);
    };
    const wanted =
      request.method === 'GET' &&
      request.url?.split('?')[0] === path &&
      request.headers.upgrade?.toLowerCase() === 'websocket';
    if (!wanted) {
      asPlain();
      return;
    }
    take(request, socket, head).then((taken) => (taken ? socket.off('error', broken) : asPlain()), broken);
  });
}

/** Hands the connection back with the head it came with, but for the wish. */
function answerPlainly(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const { method = 'GET', url = '/', httpVersion, rawHeaders } = request;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() !== 'upgrade') lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
  }
  // Header values are bytes that Node read as latin1.
  const again = Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]);
  server.emit('connection', socket);
  socket.unshift(again);
}
