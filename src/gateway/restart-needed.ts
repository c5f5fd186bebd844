import type { Problem, Settings } from '../config.ts';
import { Secret } from '../exchange/index.ts';

/** Sections that are read when the gateway starts, and the keys of them that are read again while it runs. */
const fixed = {
  server: ['reply_bytes_max', 'shutdown_grace_ms'],
  admin: ['keys'],
  metrics: [],
  grpc: [],
  state: ['on_loss', 'lease_ms', 'stream_hold_tokens'],
  audit: [],
  telemetry: ['log_level'],
} as const satisfies Partial<Record<keyof Settings, readonly string[]>>;

/** A change that would be taken and have no effect: it is refused whole, so that what is written is what is in force. */
export class RestartNeeded extends Error {
  override readonly name = 'RestartNeeded';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(({ message }) => message).join('\n'));
    this.problems = problems;
  }
}

/** Throws `RestartNeeded` where the next settings differ from those in force in what cannot change while the gateway runs. */
export function mustRestart(current: Settings, next: Settings, adminListens: boolean): void {
  const keys: string[] = [];
  for (const [section, live] of Object.entries(fixed)) {
    const [before, after] = [current, next].map((one) => one[section as keyof typeof fixed] as Record<string, unknown>);
    for (const key of Object.keys({ ...before, ...after })) {
      if (!(live as readonly string[]).includes(key) && !same(before?.[key], after?.[key]))
        keys.push(`${section}.${key}`);
    }
  }
  if (!same(current.auth.hash_secret, next.auth.hash_secret)) keys.push('auth.hash_secret');
  if (!adminListens && next.admin.keys.some((key) => !key.empty)) keys.push('admin.keys');
  if (keys.length === 0) return;
  throw new RestartNeeded(
    keys.map((key) => ({
      file: next.file,
      key,
      message: `'${key}' cannot change while the gateway runs: restart it, or take the change back`,
    })),
  );
}

/** Whether two values of settings differ, secrets included. */
export function changed(one: unknown, other: unknown): boolean {
  return !same(one, other);
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one, revealed) === JSON.stringify(other, revealed);
}

/** `JSON.stringify` hands over what `toJSON` made; the value itself is in its holder. */
function revealed(this: unknown, key: string, value: unknown): unknown {
  const original = (this as Record<string, unknown>)[key];
  return original instanceof Secret ? original.reveal() : value;
}
