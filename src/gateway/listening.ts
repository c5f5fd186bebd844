import { existsSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { connect, Server as NetServer } from 'node:net';
import { dirname } from 'node:path';
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { DataListener } from '../surfaces/http/data.ts';

/** Where a listener is to be, and what to change where it cannot be there. */
export interface ListenAt {
  readonly host: string;
  readonly port: number;
  /** The section of the configuration. */
  readonly section: 'server' | 'admin' | 'metrics';
}

const variables = { server: 'PORT', admin: 'ADMIN_PORT', metrics: 'METRICS_PORT', grpc: 'GRPC_PORT' } as const;

/** Listens, and gives back `http://host:port`. Rejects with what to do where the address cannot be had. */
export async function listen(app: FastifyInstance, { host, port, section }: ListenAt): Promise<string> {
  await app.listen({ host, port }).catch((error: Error) => unlistened(error, { host, port }, section));
  const address = app.server.address();
  if (address === null || typeof address === 'string') throw new Error('the listener has no address');
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
}

/** Listens at a Unix socket, and gives back its path. One that a process before left behind is taken over. */
export async function listenSocket(app: FastifyInstance, path: string): Promise<string> {
  if (await answers(path)) throw new Error(`${path} is taken: another program listens there; set server.socket`);
  rmSync(path, { force: true });
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  await app.listen({ path });
  return path;
}

/** Whether somebody listens at a socket. A path that is something else than a socket is not ours to remove. */
function answers(path: string): Promise<boolean> {
  if (existsSync(path) && !lstatSync(path).isSocket()) throw new Error(`${path} is there and is no socket`);
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** Throws why an address cannot be listened at, and what to change. A library may tell the system's reason in words alone. */
export function unlistened(
  error: NodeJS.ErrnoException,
  { host, port }: { readonly host: string; readonly port: number },
  section: keyof typeof variables,
): never {
  const code = error.code ?? Object.keys(reasons).find((one) => error.message.includes(one)) ?? '';
  const why = reasons[code]?.(`${host}:${port}`) ?? error.message;
  throw new Error(`${why}; set ${section}.host and ${section}.port (or ${variables[section]})`, { cause: error });
}

const reasons: Readonly<Record<string, (address: string) => string>> = {
  EADDRINUSE: (address) => `${address} is taken: another program listens there`,
  EACCES: (address) => `${address} may not be listened on by this user`,
  EADDRNOTAVAIL: (address) => `${address} is no address of this machine`,
  ENOTFOUND: (address) => `${address} is no address`,
};

/** How long exchanges whose connections were cut may take to be settled and recorded. */
const conclude_ms_max = 5000;

/** Stops listening, waits for running exchanges, and cuts what is left when the grace is over. */
export async function closeWithin({ app, idle }: DataListener, grace_ms: number): Promise<void> {
  const grace = setTimeout(() => app.server.closeAllConnections(), grace_ms);
  // A connection that was busy when listening stopped and is kept alive would hold the process until its client lets go.
  // What came while this process could not look is read first.
  const sweep = setInterval(() => setImmediate(() => app.server.closeIdleConnections()), 50);
  await app.close().catch((error: NodeJS.ErrnoException) => {
    // It has stopped listening before.
    if (error.code !== 'ERR_SERVER_NOT_RUNNING') throw error;
  });
  clearTimeout(grace);
  clearInterval(sweep);
  await Promise.race([idle(), new Promise((resolve) => setTimeout(resolve, conclude_ms_max).unref())]);
}

/** A client that is being answered has at least so long. */
const answer_ms_min = 1000;

/** Stops listening and lets running requests end; a client that never ends its own holds nothing up beyond the time. */
export async function closeListeners(apps: readonly (FastifyInstance | undefined)[], within_ms: number): Promise<void> {
  const open = apps.filter((app) => app !== undefined);
  const cut = setTimeout(
    () => {
      for (const app of open) app.server.closeAllConnections();
    },
    Math.max(within_ms, answer_ms_min),
  );
  await Promise.all(open.map((app) => app.close()));
  clearTimeout(cut);
}

/** For how long nothing may have come over a kept-alive connection before it is closed. */
const farewell_ms = 1500;

/**
 * Takes no new connections while others serve on, and lets clients of kept-alive ones know: the next reply on each says
 * `connection: close`, so that no request goes into a connection that closes under it. Resolves when none is left or was
 * in use for some time, and those that are idle are closed; or when the grace is over.
 */
export async function drained({ app, connections }: DataListener, grace_ms: number): Promise<void> {
  connections.farewell();
  // Node's own HTTP server would close idle connections in the same step, under a request that is on its way.
  NetServer.prototype.close.call(app.server);
  const until = performance.now() + grace_ms;
  while (performance.now() < until && connections.quiet_ms() < farewell_ms) await looked(20);
  app.server.closeIdleConnections();
}

/** Waits, and then for what came meanwhile to be read: however late this process gets to run, that comes first. */
async function looked(pause_ms: number): Promise<void> {
  await wait(pause_ms);
  await nextTurn();
}
