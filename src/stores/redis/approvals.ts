import {
  type ApprovalNote,
  type ApprovalShelf,
  type Approvals,
  ApprovalsUnavailable,
  approvalsOn,
} from '../approvals.ts';
import { clientOf, type RedisPlace } from './connect.ts';

export interface RedisApprovalsOptions extends RedisPlace {
  readonly keyPrefix: string;
  /** Longest a command may take. */
  readonly deadline_ms: number;
  /** Unix ms; default the system's. */
  readonly now?: () => number;
}

/** Told a while after they are over. */
const kept_ms = 7 * 86_400_000;
const connect_timeout_ms = 2_000;
/** Approving is done by people, and is not on the way of every call: it may take longer than the ledger. */
const patience_ms_min = 2_000;

/**
 * Approvals in Redis, for gateways on several machines: a hash `<prefix>:approval:<id>` with a field for each note, and
 * `<prefix>:approvals`, which names them by when they are over.
 */
export async function openRedisApprovals(options: RedisApprovalsOptions): Promise<Approvals> {
  const { keyPrefix, deadline_ms, now = Date.now } = options;
  const client = clientOf(options, { connect_timeout_ms });
  client.on('error', () => {});
  const opening = client.connect().catch(() => {});
  const index = `${keyPrefix}:approvals`;
  const keyOf = (id: string): string => `${keyPrefix}:approval:${id}`;
  const within = async <T>(command: () => Promise<T>): Promise<T> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const patience_ms = Math.max(deadline_ms, patience_ms_min);
      timer = setTimeout(() => reject(new Error('no answer in time')), patience_ms);
    });
    try {
      return await Promise.race([opening.then(command), late]);
    } catch (thrown) {
      throw new ApprovalsUnavailable('Redis did not answer', { cause: thrown });
    } finally {
      clearTimeout(timer);
    }
  };
  const shelf: ApprovalShelf = {
    put: (id, note, text, expires_at_ms) =>
      within(async () => {
        const key = keyOf(id);
        const first = (await client.hsetnx(key, note, text)) === 1;
        await client.pexpireat(key, expires_at_ms + kept_ms);
        if (note === 'asked') await client.zadd(index, expires_at_ms + kept_ms, id);
        return first;
      }),
    read: (id) => within(async () => (await client.hgetall(keyOf(id))) as Partial<Record<ApprovalNote, string>>),
    ids: () =>
      within(async () => {
        await client.zremrangebyscore(index, '-inf', String(now()));
        return client.zrange(index, '0', '-1');
      }),
    close: async () => {
      client.disconnect();
    },
  };
  return approvalsOn(shelf, now);
}
