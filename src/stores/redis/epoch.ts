import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { LedgerUnavailable } from '../ledger.ts';
import type { Line, Script } from './line.ts';
import { baseOf } from './plan.ts';
import { scripts } from './scripts.ts';

export interface EpochParts {
  readonly line: Line;
  readonly prefix: string;
  /** Names this process among the owners of holds. */
  readonly me: string;
  readonly lease_ms: number;
  readonly young_ms: number;
  readonly deadline_ms: number;
  readonly notice: (message: string) => void;
  /** Tells a store that lost data what this process knows of an organisation; `permit` is the key that lets it. */
  readonly assert: (organization: string, permit: string) => Promise<string>;
}

interface Known {
  /** The epoch that has been told all we know; empty before the first. */
  token: string;
  /** The key that stands while that epoch does and nobody comes; undefined where the primary must be met (again). */
  permit: string | undefined;
  owners: readonly string[];
  meeting: Promise<void> | undefined;
  /** How often it was to be met again: who answers a meeting of before may be another one. */
  forgotten: number;
}

/** What a script answers: a code, and what it calls for. */
type Raw = readonly (string | number | (string | number)[])[];

interface Running {
  /** A key of one's own, under which alone it is run. */
  readonly permit?: string | undefined;
  readonly deadline_ms?: number;
  /** Told an answer that comes after its time. */
  readonly late?: (answer: Raw) => void;
}

/** States a primary answers that is met (see the script). */
const [open, young, waiting] = [0, 2, 3];
const meeting_ms = 2_000;
const look_ms = 100;
/** Some that come one after the other are met one after the other: so often at least, and as long as a verb may take. */
const tries_min = 4;
const crowded = 'gateways come to Redis faster than they can be met: what was asked is to be asked again';
const recovering = 'Redis has lost data, or may have: those who hold something are telling it again';

/**
 * The epochs of the primaries that keep our organisations. A primary is met before anything is asked of it; one that is
 * not the one we knew may have lost what was acknowledged, and admits nothing until every owner has told it what it
 * holds and has spent, or until the leases of those who do not come are over.
 */
export class Epochs {
  readonly #parts: EpochParts;
  readonly #known = new Map<string, Known>();
  #closed = false;

  constructor(parts: EpochParts) {
    this.#parts = parts;
  }

  /** The key to name last in a verb's script. Rejects where meeting the primary takes longer than a verb may. */
  async #admit(organization: string): Promise<string> {
    const known = this.#of(organization);
    if (known.permit !== undefined) return known.permit;
    let timer: NodeJS.Timeout | undefined;
    let isLate = false;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#parts.deadline_ms);
    }).then(() => {
      isLate = true;
    });
    try {
      // Whoever finds another connection meanwhile has it met once more.
      while (known.permit === undefined && !isLate) await Promise.race([this.#begin(organization, known), late]);
    } finally {
      clearTimeout(timer);
    }
    if (known.permit !== undefined) return known.permit;
    throw new LedgerUnavailable(recovering);
  }

  /**
   * Runs a script that does nothing where the primary is not the one we met; then the new one is met, and it is run
   * again. With a `permit` of one's own only under that.
   */
  async run(
    one: Script,
    organization: string,
    keys: readonly string[],
    args: readonly (string | number | Buffer)[],
    { permit, deadline_ms, late }: Running = {},
  ): Promise<Raw> {
    let until_ms = 0;
    for (let tries = 0; tries < tries_min || performance.now() < until_ms; tries++) {
      const key = permit ?? this.#known.get(organization)?.permit ?? (await this.#admit(organization));
      const heard = late && ((answer: unknown) => Number((answer as Raw)[0]) !== -1 && late(answer as Raw));
      const answer = (await this.#parts.line.run(one, [...keys, key], args, deadline_ms, heard)) as Raw;
      if (Number(answer[0]) !== -1) return answer;
      if (permit !== undefined) throw new LedgerUnavailable(recovering);
      this.refused(organization, key);
      if (tries === 0) until_ms = performance.now() + (deadline_ms ?? this.#parts.deadline_ms);
    }
    throw new LedgerUnavailable(crowded);
  }

  /** The key to name last in a verb's script; undefined where the primary must be met first (`run`). */
  permitOf(organization: string): string | undefined {
    return this.#known.get(organization)?.permit;
  }

  /** The primary must be met again, whose permit lets nobody pass any more: unless it was met since that was sent. */
  refused(organization: string, permit: string): void {
    const known = this.#known.get(organization);
    if (known?.permit === permit) known.permit = undefined;
  }

  /** The primary of every organisation must be met again. */
  forget(): void {
    for (const known of this.#known.values()) {
      known.permit = undefined;
      known.forgotten += 1;
    }
  }

  /**
   * Meets the primary of every organisation we know, whether or not there is a reason to: who was not heard of for long
   * is not waited for, and a primary that changed unseen is noticed.
   */
  async greet(): Promise<void> {
    const all = [...this.#known].map(([organization, known]) => this.#begin(organization, known));
    const [first] = (await Promise.allSettled(all)).flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    if (first !== undefined) throw first;
    this.#parts.line.proved();
  }

  /** Nobody needs to wait for this process any more. */
  async close(): Promise<void> {
    this.#closed = true;
    const { line, prefix, me } = this.#parts;
    if (line.lost) return;
    const leaving = [...this.#known.keys()].map((organization) => {
      const base = baseOf(prefix, organization);
      return line.run(scripts.leave, [`${base}owners`], [base, me], meeting_ms);
    });
    await Promise.allSettled(leaving);
  }

  #of(organization: string): Known {
    let known = this.#known.get(organization);
    if (known === undefined) {
      known = { token: '', permit: undefined, owners: [], meeting: undefined, forgotten: 0 };
      this.#known.set(organization, known);
    }
    return known;
  }

  #begin(organization: string, known: Known): Promise<void> {
    if (known.meeting === undefined) {
      known.meeting = this.#meet(organization, known).finally(() => {
        known.meeting = undefined;
      });
      // Whoever waits for it is told; nobody may be waiting.
      known.meeting.catch(() => {});
    }
    return known.meeting;
  }

  async #meet(organization: string, known: Known): Promise<void> {
    const { line, prefix, me, lease_ms, young_ms, notice, assert } = this.#parts;
    const base = baseOf(prefix, organization);
    let told = false;
    while (!this.#closed) {
      if (line.lost) throw new LedgerUnavailable('Redis is lost');
      const nonce = randomBytes(6).toString('base64url');
      const args = [base, me, known.token, nonce, lease_ms, young_ms, ...known.owners];
      const { forgotten } = known;
      const answer = (await line.run(scripts.meet, [`${base}primary`], args, meeting_ms)) as Raw;
      // Meeting writes down who came.
      line.proved();
      const [state, , word, came, ...owners] = answer;
      const [code, token] = [Number(state), String(word)];
      if (code !== young) {
        known.owners = owners.map(String);
        if (code === open) {
          known.token = token;
          if (known.forgotten !== forgotten) continue;
          known.permit = `${base}epoch:${token}:${came}`;
          if (told) notice(`Redis has been told again what ${organization} holds and has spent; it admits calls`);
          return;
        }
        known.permit = undefined;
        if (code === waiting) known.token = token;
        if (known.token !== token) {
          const what = await assert(organization, `${base}fence:${token}`);
          notice(`Redis is not the one that was known, or has lost data: ${organization} told it again ${what}`);
          known.token = token;
          told = true;
        }
        const [end] = (await line.run(scripts.done, [`${base}primary`], [base, me, token], meeting_ms)) as Raw;
        // What the epoch has become is asked again at once where it was opened.
        if (Number(end) !== 1) continue;
      }
      await sleep(look_ms);
    }
    throw new LedgerUnavailable('the ledger is closed');
  }
}
