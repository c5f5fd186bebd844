import { setTimeout as sleep } from 'node:timers/promises';
import { type RedisServer, startRedis } from './redis.ts';
import { eventually } from './wait.ts';

export interface RedisCluster {
  readonly servers: readonly RedisServer[];
  /** `host:port` of every node. */
  readonly nodes: readonly string[];
  /** Which of `servers` has the keys with this hash tag. */
  homeOf(tag: string): Promise<number>;
  /** Begins to move the slot of a hash tag to another node. */
  move(tag: string, to: number): Promise<Move>;
  stop(): Promise<void>;
}

/** A slot on its way: keys go one by one. */
export interface Move {
  key(name: string): Promise<void>;
  /** Moves what is left, with a pause after each key, and hands the slot over. Answers how many keys it were. */
  finish(pause_ms?: number): Promise<number>;
}

/** Three primaries that share the slots. */
export async function startCluster(options: { readonly arguments?: readonly string[] } = {}): Promise<RedisCluster> {
  const settings = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--cluster-announce-ip', '127.0.0.1'];
  const servers: RedisServer[] = [];
  for (let at = 0; at < 3; at++)
    servers.push(await startRedis({ arguments: [...settings, ...(options.arguments ?? [])] }));
  const clients = servers.map((server) => server.client());
  const ids = await Promise.all(clients.map(async (client) => String(await client.call('CLUSTER', 'MYID'))));
  const [first = fail(), ...others] = clients;
  const bounds = [0, 5461, 10_923, 16_384];
  for (const [at, client] of clients.entries()) {
    await client.call('CLUSTER', 'ADDSLOTSRANGE', String(bounds[at]), String((bounds[at + 1] ?? 0) - 1));
  }
  for (const at of others.keys()) {
    await first.call('CLUSTER', 'MEET', '127.0.0.1', String(servers[at + 1]?.port));
  }
  await eventually(async () => {
    const infos = await Promise.all(clients.map((client) => client.call('CLUSTER', 'INFO').then(String)));
    return infos.every((info) => info.includes('cluster_state:ok') && info.includes('cluster_size:3'));
  });

  const slotOf = async (tag: string): Promise<string> => String(await first.call('CLUSTER', 'KEYSLOT', `{${tag}}`));
  const homeOf = async (tag: string): Promise<number> => {
    const slot = Number(await slotOf(tag));
    const ranges = (await first.call('CLUSTER', 'SLOTS')) as [number, number, [string, number, string]][];
    const range = ranges.find(([from, to]) => slot >= from && slot <= to);
    return ids.indexOf(range?.[2][2] ?? '');
  };
  return {
    servers,
    nodes: servers.map(({ port }) => `127.0.0.1:${port}`),
    homeOf,
    async move(tag, to) {
      const slot = await slotOf(tag);
      const from = await homeOf(tag);
      const [source, target] = [clients[from] ?? fail(), clients[to] ?? fail()];
      await target.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', ids[from] ?? fail());
      await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', ids[to] ?? fail());
      const key = async (name: string): Promise<void> => {
        await source.call('MIGRATE', '127.0.0.1', String(servers[to]?.port), name, '0', '5000');
      };
      return {
        key,
        async finish(pause_ms = 0) {
          let moved = 0;
          for (; ; moved++) {
            const [name] = (await source.call('CLUSTER', 'GETKEYSINSLOT', slot, '1')) as string[];
            if (name === undefined) break;
            await key(name);
            await sleep(pause_ms);
          }
          for (const client of [target, source, ...clients]) {
            await client.call('CLUSTER', 'SETSLOT', slot, 'NODE', ids[to] ?? fail());
          }
          return moved;
        },
      };
    },
    async stop() {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

function fail(): never {
  throw new Error('a cluster has three nodes');
}
