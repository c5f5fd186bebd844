import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** As Node's HTTP server keeps it: the reply that is under way on a connection, until its last byte has left. */
type HttpSocket = Socket & { readonly _httpMessage?: ServerResponse | null };

interface Seen {
  bytes: number;
  /** When it was in use last, monotonic. */
  at_ms: number;
}

/**
 * The HTTP connections of a listener, and whether they are in use. Its `closeIdleConnections` waits for replies that have
 * ended and not left: Node's own takes their connections for idle, and cuts what their clients have not read yet.
 */
export class Connections {
  readonly #server: Server;
  readonly #open = new Map<HttpSocket, Seen>();

  constructor(server: Server) {
    this.#server = server;
    const closeIdle = server.closeIdleConnections.bind(server);
    server.closeIdleConnections = () => {
      for (const { _httpMessage: reply } of this.#open.keys()) if (reply?.writableEnded) return;
      closeIdle();
    };
    server.on('connection', (socket: HttpSocket) => {
      this.#open.set(socket, { bytes: 0, at_ms: performance.now() });
      socket.once('close', () => this.#open.delete(socket));
    });
    // From then on it is no HTTP any more, and whoever took it over closes it.
    server.on('upgrade', (_request, socket) => this.#open.delete(socket as HttpSocket));
  }

  /** The next reply on each connection says `connection: close`; those under way say so where their head has not left. */
  farewell(): void {
    this.#server.maxRequestsPerSocket = 1;
    for (const { _httpMessage: reply } of this.#open.keys()) if (reply) reply.shouldKeepAlive = false;
  }

  /** For how long nothing came over any of them and none had a reply under way; for ever where there are none. */
  quiet_ms(): number {
    const now = performance.now();
    let quiet_ms = Number.POSITIVE_INFINITY;
    for (const [socket, seen] of this.#open) {
      if (socket._httpMessage || socket.bytesRead !== seen.bytes) {
        seen.bytes = socket.bytesRead;
        seen.at_ms = now;
      }
      quiet_ms = Math.min(quiet_ms, now - seen.at_ms);
    }
    return quiet_ms;
  }
}
