import type { ChildProcess, SendHandle, Serializable } from 'node:child_process';
import cluster, { type Worker } from 'node:cluster';

/** How Node's cluster hands a connection to a worker, which answers with the same number once it has it. */
interface Handed {
  readonly cmd: 'NODE_CLUSTER';
  readonly act: 'newconn';
  readonly seq: number;
}

/** A connection as the process that accepts it has it. */
type Handle = SendHandle & { close(): void };

/** Workers that listen. */
const listening = new WeakSet<Worker>();

/**
 * Gives connections that were on their way to this worker when it ended to another one, and closes them where none
 * listens. Node forgets them and keeps them open: their clients would wait for ever, and each is a descriptor that is never
 * given back (lib/internal/cluster/round_robin_handle.js, `handoff`, v20 to v24, 2026). The worker takes a connection
 * and says so before it reads, so nothing of it has been read.
 */
export function handOver(worker: Worker): void {
  const child: ChildProcess = worker.process;
  // A process that could not be started has no channel.
  if (child.send === undefined) return;
  const underWay = new Map<number, { readonly message: Handed; readonly handle: Handle }>();
  const send = child.send.bind(child) as (...said: unknown[]) => boolean;
  child.send = (...said: unknown[]): boolean => {
    const [message, handle] = said;
    if (isHanded(message)) underWay.set(message.seq, { message, handle: handle as Handle });
    return send(...said);
  };
  child.on('internalMessage', ({ ack }: { readonly ack?: number }) => {
    if (ack !== undefined) underWay.delete(ack);
  });
  worker.once('listening', () => listening.add(worker));
  // Not before: what it said until its end has been heard by then. `disconnect` does not come while a handle is under way.
  child.once('close', () => {
    for (const { message, handle } of underWay.values()) {
      // Cluster waits for the answer under this number still: one that leaves and cannot take it says so, and it goes on.
      const other = Object.values(cluster.workers ?? {}).find((one) => one?.isConnected() && listening.has(one));
      if (other === undefined) handle.close();
      else other.process.send(message as unknown as Serializable, handle);
    }
    underWay.clear();
  });
}

function isHanded(message: unknown): message is Handed {
  const { cmd, act } = (message ?? {}) as Partial<Handed>;
  return cmd === 'NODE_CLUSTER' && act === 'newconn';
}
