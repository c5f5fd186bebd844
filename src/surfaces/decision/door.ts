import { type Caller, Failure } from '../../exchange/index.ts';

export type Scope = 'policy:evaluate' | 'policy:read' | 'policy:write' | 'policy:admin' | 'policy:approve';

/** Names in lower case, as HTTP headers and gRPC metadata have them. */
export type Credentials = Readonly<Record<string, string | string[] | undefined>>;

/** Who is let in, and how often. One for every surface of a process, so that a key has one rate on all of them. */
export interface Door {
  /** The caller, where it has the scope. Rejects with `invalid_api_key`, or `policy_denied` without the scope. */
  enter(credentials: Credentials, scope: Scope): Promise<Caller>;
  /** Counts evaluations against the caller's key. Throws `rate_limit_exceeded`. */
  spend(caller: Caller, evaluations: number): void;
}

export interface DoorOptions {
  identify(credentials: Credentials): { readonly caller: Caller } | Promise<{ readonly caller: Caller }>;
  /** Of one key, in this process; read at each evaluation. */
  readonly evaluations_per_minute: () => number;
  /** Milliseconds that only go forward. */
  readonly elapsed: () => number;
}

interface Bucket {
  left: number;
  at_ms: number;
}

/** Keys whose rates are remembered. A forgotten one begins full. */
const buckets_max = 10_000;

export function openDoor({ identify, evaluations_per_minute, elapsed }: DoorOptions): Door {
  const buckets = new Map<string, Bucket>();
  return {
    async enter(credentials, scope) {
      const { caller } = await identify(credentials);
      requireScope(caller, scope);
      return caller;
    },
    spend({ key }, evaluations) {
      const limit = evaluations_per_minute();
      const now = elapsed();
      const known = buckets.get(key.id);
      const refilled = known === undefined ? limit : known.left + ((now - known.at_ms) * limit) / 60_000;
      const left = Math.min(limit, refilled);
      // A batch larger than a whole minute's waits for a full bucket and leaves it in debt.
      const needed = Math.min(evaluations, limit);
      const let_in = left >= needed;
      buckets.delete(key.id);
      buckets.set(key.id, { left: let_in ? left - evaluations : left, at_ms: now });
      if (buckets.size > buckets_max) for (const oldest of buckets.keys()) if (buckets.delete(oldest)) break;
      if (let_in) return;
      const seconds = Math.max(1, Math.ceil(((needed - left) * 60) / limit));
      const scope = `key:${key.id}`;
      const message = `The key '${key.id}' has used its ${limit} evaluations a minute. Try again in ${seconds} s.`;
      throw new Failure('rate_limit_exceeded', message, {
        retryAfterSeconds: seconds,
        extra: { scope, limit, unit: 'evaluations', window: 'minute', reset: seconds },
      });
    },
  };
}

/** `policy:admin` opens everything. Throws `policy_denied` that names the scope. */
export function requireScope({ key }: Caller, scope: Scope): void {
  if (key.scopes.includes(scope) || key.scopes.includes('policy:admin')) return;
  const what = scope === 'policy:evaluate' ? 'evaluate policies' : 'do this';
  throw new Failure('policy_denied', `This key may not ${what}: it lacks the scope '${scope}'.`);
}
