import { Cluster, type Redis } from 'ioredis';
import { script } from './line.ts';
import { scripts } from './scripts.ts';

/** Scripts that write after they asked for the time, and streams, came with it. */
const version_min = [5, 0] as const;

const needed = '+@read +@write +@scripting +@connection +info +time';

/** Every command our scripts use, as it is tried on keys of its own: h a hash, s a set, z a sorted set, x a stream. */
export const tried: readonly (readonly [command: string, ...args: string[]])[] = [
  ['TIME'],
  ['INFO', 'server'],
  ['SET', 'k', '1', 'PX', '60000'],
  ['GET', 'k'],
  ['MSET', 'k', '1'],
  ['MGET', 'k'],
  ['EXISTS', 'k'],
  ['PEXPIRE', 'k', '60000'],
  ['PEXPIREAT', 'k', '4102444800000'],
  ['PERSIST', 'k'],
  ['HSET', 'h', 'a', '1', 'b', '2'],
  ['HGET', 'h', 'a'],
  ['HMGET', 'h', 'a', 'b'],
  ['HGETALL', 'h'],
  ['HINCRBY', 'h', 'a', '1'],
  ['HDEL', 'h', 'b'],
  ['SADD', 's', 'a'],
  ['SISMEMBER', 's', 'a'],
  ['SMEMBERS', 's'],
  ['SRANDMEMBER', 's', '1'],
  ['SREM', 's', 'a'],
  ['ZADD', 'z', '1', 'a'],
  ['ZCARD', 'z'],
  ['ZSCORE', 'z', 'a'],
  ['ZCOUNT', 'z', '0', '1'],
  ['ZRANGE', 'z', '0', '-1'],
  ['ZRANGEBYSCORE', 'z', '0', '1'],
  ['ZREM', 'z', 'a'],
  ['ZREMRANGEBYSCORE', 'z', '0', '1'],
  ['XADD', 'x', '*', 'a', '1'],
  ['XLEN', 'x'],
  ['XRANGE', 'x', '-', '+'],
  ['XREVRANGE', 'x', '+', '-'],
  ['XDEL', 'x', '1-1'],
  ['DEL', 'k', 'h', 's', 'z', 'x'],
];

/** KEYS: k h s z x. ARGV: the commands, each after the number of its words. Answer: what was refused. */
const attempt = script(`
local own, reply, at = {k = KEYS[1], h = KEYS[2], s = KEYS[3], z = KEYS[4], x = KEYS[5]}, {}, 1
if not cmsgpack then reply[1] = 'its Lua has no cmsgpack' end
while at <= #ARGV do
  local words = {}
  for place = at + 1, at + ARGV[at] do words[#words + 1] = ARGV[place] end
  for place = 2, words[1] == 'DEL' and #words or 2 do words[place] = own[words[place]] or words[place] end
  local answer = redis.pcall(unpack(words))
  if type(answer) == 'table' and answer.err then reply[#reply + 1] = words[1] .. ': ' .. answer.err end
  at = at + ARGV[at] + 1
end
return reply
`);

/**
 * Whether this Redis can keep budgets: it runs our scripts, this user may do what they do under our prefix, and it throws
 * nothing away under pressure. Rejects with an `Error` that says what to change. Answers the age of its youngest server.
 */
export async function probe(
  redis: Redis | Cluster,
  prefix: string,
  notice: (message: string) => void,
): Promise<{ readonly age_ms: number }> {
  const nodes = redis instanceof Cluster ? redis.nodes('master') : [redis];
  const ages = await Promise.all(nodes.map((node) => look(node, redis instanceof Cluster, notice)));
  await tryCommands(redis, prefix);
  return { age_ms: Math.min(...ages) };
}

async function tryCommands(redis: Redis | Cluster, prefix: string): Promise<void> {
  const keys = ['k', 'h', 's', 'z', 'x'].map((key) => `${prefix}{probe}:${key}`);
  const words = tried.flatMap((command) => [command.length, ...command]);
  let refusals: unknown;
  try {
    refusals = await redis.call('eval', [attempt.source, keys.length, ...keys, ...words]);
    await redis.call('evalsha', [attempt.sha, keys.length, ...keys]);
  } catch (error) {
    throw new Error(
      `Redis refuses Lua scripts (${(error as Error).message}): the ledger's steps would not be atomic. ` +
        'Allow EVAL, EVALSHA and SCRIPT for this user (ACL +@scripting), with the keys ' +
        `'${prefix}*', or use the embedded store.`,
      { cause: error },
    );
  }
  if (Array.isArray(refusals) && refusals.length > 0) {
    throw new Error(
      `Redis refuses what the ledger's scripts do (${refusals.slice(0, 3).join('; ')}): allow this user ` +
        `${needed} on the keys '${prefix}*'.`,
    );
  }
  const group = `${prefix}organizations`;
  try {
    await redis.call('smembers', [group]);
    await redis.call('sadd', [group, ' probe']);
    await redis.call('srem', [group, ' probe']);
    await redis.call('xrange', [`${prefix}{probe}:x`, '-', '+']);
    await redis.call('ping');
  } catch (error) {
    throw new Error(
      `Redis refuses a command of the ledger (${(error as Error).message}): allow this user ` +
        `${needed} on the keys '${prefix}*'.`,
      { cause: error },
    );
  }
}

/** Looks at one server and answers its age. */
async function look(node: Redis, cluster: boolean, notice: (message: string) => void): Promise<number> {
  const where = `Redis at ${node.options.host}:${node.options.port}`;
  const info = await node.info().catch((error: Error) => {
    throw new Error(`${where} refuses INFO (${error.message}), which tells one primary from another: allow +info.`);
  });
  const of = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  const [major = 0, minor = 0] = of('redis_version').split('.').map(Number);
  if (major < version_min[0] || (major === version_min[0] && minor < version_min[1])) {
    throw new Error(`${where} is version ${of('redis_version')}: budgets need ${version_min.join('.')} or later.`);
  }
  if (of('role') === 'slave') {
    throw new Error(`${where} is a replica, which cannot be written: name the primary, its sentinels or its cluster.`);
  }
  const mode = of('redis_mode') || of('server_mode');
  if (mode === 'cluster' && !cluster) {
    throw new Error(`${where} is a node of a Cluster: name it in state.cluster.nodes instead of state.url.`);
  }
  await checkEviction(node, where, of, notice);
  return Number(of('uptime_in_seconds')) * 1_000;
}

async function checkEviction(
  node: Redis,
  where: string,
  of: (name: string) => string,
  notice: (message: string) => void,
): Promise<void> {
  const configured = async (name: string): Promise<string | undefined> => {
    const answer = (await node.config('GET', name).catch(() => undefined)) as readonly string[] | undefined;
    return answer?.[1];
  };
  const policy = of('maxmemory_policy') || (await configured('maxmemory-policy'));
  const bytes = of('maxmemory') || (await configured('maxmemory'));
  if (policy === undefined || bytes === undefined) {
    notice(`${where} does not say what it does when its memory is full: make sure it is maxmemory-policy noeviction`);
  } else if (policy !== 'noeviction' && bytes !== '0') {
    throw new Error(
      `${where} throws keys away when its memory is full (maxmemory-policy ${policy}), and with them what was spent: ` +
        'set maxmemory-policy noeviction, or give the ledger a Redis of its own.',
    );
  }
}

/** Every script, so that the first call of each is not sent twice. */
export async function loadScripts(redis: Redis | Cluster): Promise<void> {
  const nodes = redis instanceof Cluster ? redis.nodes('master') : [redis];
  // A server that refuses is sent the source with the first call of each.
  const loads = nodes.flatMap((node) => Object.values(scripts).map(({ source }) => node.script('LOAD', source)));
  await Promise.allSettled(loads);
}
