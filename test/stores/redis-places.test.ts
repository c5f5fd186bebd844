import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { openBullQueue, openRedisLedger, type RedisPlace } from '../../src/stores/index.ts';
import { ledgerContract } from '../contracts/ledger.ts';
import { type Certificates, makeCertificates } from '../support/certificates.ts';
import { type RedisCluster, startCluster } from '../support/cluster.ts';
import { freePort, type RedisServer, startRedis } from '../support/redis.ts';
import { type SentinelHouse, startSentinels } from '../support/sentinel.ts';

type Rest<T extends unknown[]> = T extends [unknown, ...infer R] ? R : never;

async function now(server: RedisServer): Promise<number> {
  const client = server.client();
  const [seconds, micros] = await client.time();
  client.disconnect();
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}

async function under(place: RedisPlace, servers: readonly RedisServer[]) {
  for (const server of servers) {
    const client = server.client();
    await client.flushall();
    client.disconnect();
  }
  const options = { keyPrefix: 'llm', owner: 'here', deadline_ms: 30_000, reap_interval_ms: 0 };
  const ledger = await openRedisLedger({ ...place, ...options });
  return {
    ledger,
    pass: (ms: number) => sleep(ms + 5),
    now: () => now(servers[0]!),
    close: () => ledger.close(),
  };
}

/** A contract mostly waits: the places do so at once. */
const besideOthers = (name: string, ...rest: Rest<Parameters<typeof ledgerContract>>) =>
  describe.concurrent(name, () => ledgerContract(name, ...rest));

let house: SentinelHouse;
besideOthers(
  'Redis through sentinels',
  () => under({ sentinel: { name: house.name, nodes: house.nodes } }, [house.primary]),
  async () => {
    house = await startSentinels();
  },
  () => house.stop(),
);

let cluster: RedisCluster;
besideOthers(
  'a Redis Cluster',
  () => under({ cluster: { nodes: cluster.nodes.slice(0, 1) } }, cluster.servers),
  async () => {
    cluster = await startCluster();
  },
  () => cluster.stop(),
);

let certificates: Certificates;
let secured: RedisServer & { readonly tls_port: number };
/** A server that takes no connection without a certificate of our authority, and a user who may do no more than needed. */
async function startSecured(): Promise<void> {
  certificates = makeCertificates('redis.test');
  const { ca_file, cert_file, key_file } = certificates;
  const tls_port = await freePort();
  const files = ['--tls-ca-cert-file', ca_file, '--tls-cert-file', cert_file, '--tls-key-file', key_file];
  const server = await startRedis({ arguments: ['--tls-port', String(tls_port), ...files] });
  secured = Object.assign(server, { tls_port });
  const rules = ['+@read', '+@write', '+@scripting', '+info', '+time', '+ping', '-@dangerous', '+info'];
  await server.client().acl('SETUSER', 'ledger', 'on', '>s3cret', '~llm:*', '~{llm:queue}:*', '-@all', ...rules);
}
const securely = (over: Partial<RedisPlace> = {}): RedisPlace => ({
  url: `rediss://127.0.0.1:${secured.tls_port}`,
  username: 'ledger',
  password: 's3cret',
  tls: {
    ca_file: certificates.ca_file,
    cert_file: certificates.cert_file,
    key_file: certificates.key_file,
    servername: 'redis.test',
  },
  ...over,
});
besideOthers(
  'Redis over TLS with a user of its own',
  () => under(securely(), [secured]),
  startSecured,
  async () => {
    await secured.stop();
    certificates.remove();
  },
);

describe('places that are not as they should be', () => {
  test('a server whose certificate is for another name, or of another authority, is not trusted', async () => {
    await startSecured();
    const open = (over: Partial<RedisPlace>) =>
      openRedisLedger({ ...securely(over), keyPrefix: 'llm', owner: 'here', connect_timeout_ms: 1_000 });
    try {
      const { ca_file, cert_file, key_file } = certificates;
      const files = { cert_file, key_file };
      await expect(open({ tls: { ...files, ca_file, servername: 'other.test' } })).rejects.toThrow(/cannot be reached/);
      await expect(open({ tls: { ...files, servername: 'redis.test' } })).rejects.toThrow(/cannot be reached.*cert/s);
      await expect(open({ tls: { ca_file: '/nowhere/ca.crt' } })).rejects.toThrow(/ca_file.*ENOENT/);
      await expect(open({ password: 'wrong' })).rejects.toThrow(/cannot be reached.*WRONGPASS/);
    } finally {
      await secured.stop();
      certificates.remove();
    }
  });
});

describe('the queue', () => {
  const carries = async (place: RedisPlace): Promise<void> => {
    const queue = await openBullQueue({ ...place, name: 'jobs', prefix: '{llm:queue}', attempts: 2, backoff_ms: 5 });
    const seen: string[] = [];
    try {
      await queue.work(async (job) => {
        seen.push(job.payload);
      });
      await Promise.all([1, 2, 3].map((id) => queue.submit({ id: `job-${id}`, payload: `payload ${id}` })));
      expect(seen.sort()).toEqual(['payload 1', 'payload 2', 'payload 3']);
    } finally {
      await queue.close();
    }
  };

  test('is reached through sentinels', async () => {
    const own = await startSentinels();
    await carries({ sentinel: { name: own.name, nodes: own.nodes } }).finally(() => own.stop());
  });

  test('is reached in a Cluster', async () => {
    const own = await startCluster();
    await carries({ cluster: { nodes: own.nodes } }).finally(() => own.stop());
  });
});
