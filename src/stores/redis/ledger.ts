import { randomBytes } from 'node:crypto';
import type {
  Amendment,
  Budget,
  LedgerEntry,
  Override,
  Rate,
  Reserved,
  ReserveRequest,
  Settled,
  Settlement,
} from '../ledger.ts';
import { HoldGone, LedgerUnavailable } from '../ledger.ts';
import { checkAmendment, checkId, checkLimits, checkReserve, checkSettlement } from '../validate.ts';
import { amended, asAsked, refused, standing } from './answers.ts';
import { Enrolled } from './enrolled.ts';
import { Epochs } from './epoch.ts';
import type { RedisLedger } from './index.ts';
import { type Line, NoAnswer } from './line.ts';
import { Memory } from './memory.ts';
import type { Message, Outbox } from './outbox.ts';
import * as people from './overrides.ts';
import { type Repaired, reconcile } from './reconcile.ts';
import * as reports from './reports.ts';
import { Reserving, type ReservingParts } from './reserving.ts';
import { Resets } from './resets.ts';
import { retell } from './retell.ts';
import { settleMessage } from './settle-message.ts';
import { Settling } from './settling.ts';
import { RemoteSlices } from './slices.ts';
import { inTime } from './timely.ts';
import { Turns } from './turns.ts';
import { eachOf, reapedOfAll, upkeep_ms } from './upkeep.ts';

export interface Parts {
  readonly line: Line;
  readonly outbox: Outbox;
  /** `llm:`, or nothing. */
  readonly prefix: string;
  readonly owner: string;
  readonly deadline_ms: number;
  readonly entries_max: number;
  readonly reap_interval_ms: number;
  /** The longest lease asked for. */
  readonly lease_ms: number;
  readonly young_ms: number;
  readonly notice: (message: string) => void;
}

/** All limits in Redis: what a turn of the event loop asks is one script, on the server's clock. */
export class RemoteLedger implements RedisLedger {
  readonly #parts: Parts;
  readonly #turns: Turns;
  readonly slices: RemoteSlices;
  /** What this process holds and was told: to tell states in full, and to tell it a store that lost it. */
  readonly #memory = new Memory();
  readonly #epochs: Epochs;
  readonly #settling: Settling;
  readonly #reserving: ReservingParts;
  readonly #resets: Resets;
  /** Messages that are under way. */
  readonly #flying = new Set<Message>();
  readonly #enrolled: Enrolled;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #run = randomBytes(6).toString('base64url');
  #reserves = 0;
  #sending: Promise<void> | undefined;
  #ticks = 0;
  #ticking = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    const me = `${parts.owner}.${this.#run}`;
    const assert = async (organization: string, permit: string) => {
      this.#enrolled.again(organization);
      await this.slices.retell(organization, permit);
      const teller = { ...parts, memory: this.#memory, settling: this.#settling, turns: this.#turns, me };
      return retell(teller, organization, permit);
    };
    this.#epochs = new Epochs({ ...parts, me, assert });
    this.#turns = new Turns({ ...parts, epochs: this.#epochs });
    this.#enrolled = new Enrolled({ ...parts, deadline_ms: upkeep_ms });
    this.slices = new RemoteSlices({ ...parts, me, epochs: this.#epochs, enrol: this.#enrolled.enrol });
    this.#settling = new Settling({ ...parts, turns: this.#turns, memory: this.#memory });
    this.#resets = new Resets({ ...parts, turns: this.#turns, memory: this.#memory });
    this.#reserving = { turns: this.#turns, memory: this.#memory, enrol: this.#enrolled.enrol, abandon: this.#abandon };
    if (parts.reap_interval_ms > 0) this.#timer = setInterval(() => void this.#tick(), parts.reap_interval_ms).unref();
  }

  reserve(request: ReserveRequest): Promise<Reserved> {
    return new Promise((resolve, reject) => {
      checkReserve(request);
      // Each reserve has a name of its own: what gives back one whose answer never came must not touch a later one.
      const nonce = `${this.#run}${++this.#reserves}`;
      this.#turns.push(request.organization, new Reserving(this.#reserving, request, nonce, resolve, reject));
    });
  }

  readonly #abandon = (error: unknown, { id, organization }: ReserveRequest, nonce: string): void => {
    if (error instanceof NoAnswer) void this.#parts.outbox.keep({ op: 'release', n: 0, id, organization, nonce });
  };

  async amend(amendment: Amendment): Promise<Reserved> {
    checkAmendment(amendment);
    const { id, organization, amount, lease_ms } = amendment;
    const { nusd, tokens, input = 0 } = amount;
    const { answer, plan } = await inTime(
      this.#turns,
      amendment,
      [1, id, 0, nusd, tokens, input, lease_ms],
      (told, limits) => {
        if (told.code === 5) this.#memory.change(amendment, limits);
      },
    );
    const known = (key: string) =>
      plan.budgets.find((one) => one.key === key)?.budget ??
      this.#memory.budgetsOf(organization, id)?.find((one) => one.key === key)?.budget;
    if (answer.code === 4) throw new HoldGone(`nothing is held under ${id}`);
    if (answer.code !== 5) return refused(answer, plan, known);
    return amended(answer, plan, known);
  }

  async settle(settlement: Settlement): Promise<Settled> {
    checkSettlement(settlement);
    const message = settleMessage(settlement);
    return this.#orKept(message, this.#settling.settle(message, true));
  }

  post(settlement: Settlement): Promise<void> {
    try {
      checkSettlement(settlement);
    } catch (error) {
      return Promise.reject(error);
    }
    const message = settleMessage(settlement);
    const kept = this.#parts.outbox.keep(message);
    // Even where an earlier one waits under that id: whichever comes first counts, and the other changes nothing.
    this.#flying.add(message);
    this.#settling.post(message, this.#over);
    return kept;
  }

  async release(id: string, organization: string): Promise<void> {
    checkId(id, organization);
    const message: Message = { op: 'release', n: 0, id, organization, nonce: '' };
    await this.#orKept(message, this.#settling.release(message));
  }

  async #orKept<T>(message: Message, sent: Promise<T>): Promise<T> {
    try {
      return await sent;
    } catch (error) {
      await this.#parts.outbox.keep(message);
      throw error;
    }
  }

  async read(organization: string, budgets: readonly Budget[], rates: readonly Rate[]) {
    checkLimits(budgets, rates);
    const { answer, plan } = await inTime(this.#turns, { organization, budgets, rates }, [4, '', 0], () => {});
    return asAsked(standing(answer, plan), plan, budgets, rates);
  }

  override(organization: string, override: Override): Promise<void> {
    return people.override(this.#parts, organization, override);
  }

  clearOverride(organization: string, budget: Override['budget']): Promise<boolean> {
    return people.clearOverride(this.#parts, organization, budget);
  }

  overrides(organization: string): Promise<readonly Override[]> {
    return people.overridesOf(this.#parts, organization);
  }

  reset(organization: string, key: string): Promise<boolean> {
    return this.#resets.reset(organization, key);
  }

  reap(): Promise<number> {
    const reaping = { ...this.#parts, turns: this.#turns, memory: this.#memory, slices: this.slices };
    return reapedOfAll(reaping, this.#enrolled);
  }

  /** For who looks at what Redis has: all that was settled here is on its way before. */
  #told(organization: string): Parts {
    this.#turns.hurry(organization);
    return this.#parts;
  }

  counters(organization: string) {
    return reports.counters(this.#told(organization), organization);
  }

  holds(organization: string) {
    return reports.holds(this.#told(organization), organization);
  }

  entries(organization: string): AsyncGenerator<LedgerEntry> {
    return reports.entries(this.#told(organization), organization);
  }

  reconcile(organization: string, options: { readonly repair: boolean }) {
    const right = ({ now_ms, ...sum }: Repaired) => this.#memory.hearAll(organization, [sum], now_ms);
    return reconcile(this.#told(organization), organization, options.repair, right);
  }

  /** Sends what is waiting; called when Redis is back and with every round of upkeep. */
  flush(): Promise<void> {
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
    });
    return this.#sending;
  }

  async #send(): Promise<void> {
    const waiting = this.#parts.outbox.waiting();
    for (let at = 0; at < waiting.length && !this.#parts.line.lost; at += send_max) {
      await Promise.all(waiting.slice(at, at + send_max).map((message) => this.#again(message)));
    }
  }

  async #again(message: Message): Promise<void> {
    if (!this.#flying.has(message) && this.#parts.outbox.has(message)) await this.#deliver(message);
  }

  async #deliver(message: Message): Promise<void> {
    this.#flying.add(message);
    await this.#settling.send(message).then(
      () => this.#over(message),
      (error: unknown) => this.#over(message, error),
    );
  }

  /** Until it is acknowledged a message stays in the outbox, and is sent again when Redis is back. */
  readonly #over = (message: Message, error?: unknown): void => {
    this.#flying.delete(message);
    if (error === undefined) this.#parts.outbox.done(message);
    else if (!(error instanceof LedgerUnavailable)) {
      this.#parts.notice(`${message.op} of ${message.id} is refused by Redis: ${(error as Error).message}`);
    }
  };

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#turns.depart();
    if (!this.#parts.line.lost) await this.flush();
    while (this.#flying.size > 0 && !this.#parts.line.lost) await new Promise(setImmediate);
    await this.#epochs.close();
    this.#parts.line.close();
    this.#parts.outbox.close();
  }

  /** Who answers may be another primary than before. */
  met(): void {
    this.#epochs.forget();
  }

  /** Redis is back: what it lost is told to it, then what is waiting. */
  async back(): Promise<void> {
    this.#epochs.forget();
    await this.#resets.look().catch(() => {});
    await this.#epochs.greet().catch(() => {});
    await this.flush();
  }

  async #tick(): Promise<void> {
    // Of thousands of organisations a round may take longer than until the next one.
    if (this.#parts.line.lost || this.#ticking) return;
    this.#ticking = true;
    const failed = await eachOf([
      () => this.#resets.look(),
      () => this.#epochs.greet(),
      async () => this.#parts.outbox.size > 0 && this.flush(),
      () => this.reap(),
      async () => this.#ticks++ % trim_every === 0 && reports.trim(this.#parts, await this.#enrolled.all()),
    ]);
    this.#ticking = false;
    for (const error of failed) {
      if (!(error instanceof LedgerUnavailable)) this.#parts.notice(`upkeep failed: ${(error as Error).message}`);
    }
  }
}

const send_max = 500;
const trim_every = 10;
