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
import { type Answer, amended, codeOf, refusal, standing } from './answers.ts';
import { Epochs } from './epoch.ts';
import type { RedisLedger } from './index.ts';
import { type Line, NoAnswer } from './line.ts';
import { Memory } from './memory.ts';
import type { Message, Outbox } from './outbox.ts';
import * as people from './overrides.ts';
import { argsOf, baseOf, keysOf, type Plan, planOf } from './plan.ts';
import { reconcile } from './reconcile.ts';
import * as reports from './reports.ts';
import { retell } from './retell.ts';
import { scripts } from './scripts.ts';
import { Settling } from './settling.ts';

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

/** A real settlement may replace the reaper's estimate this long. */
const provisional_ms = 7 * 86_400_000;

/** All limits in Redis: one script a verb, on the server's clock. */
export class RemoteLedger implements RedisLedger {
  readonly #parts: Parts;
  /** What this process holds: whose states to tell in full, and what to tell a store that lost its data. */
  readonly #memory = new Memory();
  readonly #epochs: Epochs;
  readonly #settling: Settling;
  readonly #organizations = new Set<string>();
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #run = randomBytes(6).toString('base64url');
  #reserves = 0;
  /** How far the server's clock is ahead; never below the truth by more than an answer's way here. */
  #ahead_ms = Number.NEGATIVE_INFINITY;
  #sending: Promise<void> | undefined;
  #ticks = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#epochs = new Epochs({
      ...parts,
      me: `${parts.owner}.${this.#run}`,
      assert: (organization, permit) =>
        retell({ ...parts, memory: this.#memory, settling: this.#settling }, organization, permit),
    });
    this.#settling = new Settling({ ...parts, epochs: this.#epochs, memory: this.#memory });
    if (parts.reap_interval_ms > 0) this.#timer = setInterval(() => void this.#tick(), parts.reap_interval_ms).unref();
  }

  async reserve(request: ReserveRequest): Promise<Reserved> {
    checkReserve(request);
    const { id, organization, amount, budgets, rates } = request;
    // Each reserve has a name of its own: what gives back one whose answer never came must not touch a later one.
    const nonce = `${this.#run}${++this.#reserves}`;
    const tail = [request.owner, amount.nusd, amount.tokens, request.lease_ms, id, nonce];
    const { answer, plan } = await this.#timely(scripts.reserve, organization, id, budgets, rates, tail).catch(
      (error) => {
        if (error instanceof NoAnswer) this.#post({ op: 'release', id, organization, nonce });
        throw error;
      },
    );
    if (codeOf(answer) !== 0) return { outcome: 'refused', refusal: refusal(answer, plan, () => undefined) };
    const states = standing(answer, plan, budgets, rates);
    this.#memory.remember(request, plan, { nonce, owner: request.owner });
    this.#memory.hearAll(organization, baseOf(this.#parts.prefix, organization), plan, answer);
    this.#enrol(organization);
    return { outcome: 'held', ...states };
  }

  async amend(amendment: Amendment): Promise<Reserved> {
    checkAmendment(amendment);
    const { id, organization, amount, budgets, rates } = amendment;
    const tail = [amount.nusd, amount.tokens, amendment.lease_ms, id];
    const { answer, plan } = await this.#timely(scripts.amend, organization, id, budgets, rates, tail);
    const known = (key: string) =>
      plan.budgets.find((one) => one.key === key)?.budget ?? this.#memory.budgetsOf(organization, id)?.get(key)?.budget;
    if (codeOf(answer) === 4) throw new HoldGone(`nothing is held under ${id}`);
    if (codeOf(answer) !== 0) return { outcome: 'refused', refusal: refusal(answer, plan, known) };
    this.#memory.remember(amendment, plan, undefined);
    return amended(answer, known);
  }

  async settle(settlement: Settlement): Promise<Settled> {
    checkSettlement(settlement);
    const { id, organization, amount, estimated } = settlement;
    const { nusd, tokens } = amount;
    const message: Message = { op: 'settle', id, organization, nusd, tokens, estimated, at_ms: Date.now() };
    try {
      return await this.#settling.settle(message);
    } catch (error) {
      this.#post(message);
      throw error;
    }
  }

  async post(settlement: Settlement): Promise<void> {
    checkSettlement(settlement);
    const { id, organization, amount, estimated } = settlement;
    const { nusd, tokens } = amount;
    this.#post({ op: 'settle', id, organization, nusd, tokens, estimated, at_ms: Date.now() });
    void this.flush().catch(() => {});
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

  async reset(organization: string, key: string): Promise<boolean> {
    const base = baseOf(this.#parts.prefix, organization);
    const late = { deadline_ms: upkeep_ms };
    const answer = await this.#epochs.run(scripts.reset, organization, [base + key], [base, key], late);
    if (codeOf(answer) === 1) this.#memory.hearAgain(base + key, 0, Number(answer[1]));
    return codeOf(answer) === 1;
  }

  async release(id: string, organization: string): Promise<void> {
    checkId(id, organization);
    const message: Message = { op: 'release', id, organization, nonce: '' };
    try {
      await this.#settling.release(message);
    } catch (error) {
      this.#post(message);
      throw error;
    }
  }

  async read(organization: string, budgets: readonly Budget[], rates: readonly Rate[]) {
    checkLimits(budgets, rates);
    const { answer, plan } = await this.#timely(scripts.read, organization, '', budgets, rates, []);
    return standing(answer, plan, budgets, rates);
  }

  async reap(): Promise<number> {
    let reaped = 0;
    for (const organization of await this.#everyone()) {
      const base = baseOf(this.#parts.prefix, organization);
      for (let done = reap_max; done === reap_max; reaped += done) {
        const args = [base, reap_max, provisional_ms];
        const answer = await this.#epochs.run(scripts.reap, organization, [`${base}leases`], args, {
          deadline_ms: upkeep_ms,
        });
        done = Number(answer[0]);
      }
    }
    return reaped;
  }

  counters(organization: string) {
    return reports.counters(this.#parts, organization);
  }

  holds(organization: string) {
    return reports.holds(this.#parts, organization);
  }

  entries(organization: string): AsyncGenerator<LedgerEntry> {
    return reports.entries(this.#parts, organization);
  }

  reconcile(organization: string, options: { readonly repair: boolean }) {
    return reconcile(this.#parts, organization, options.repair);
  }

  /** Sends what is waiting; called when Redis is back and with every round of upkeep. */
  flush(): Promise<void> {
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
    });
    return this.#sending;
  }

  async #send(): Promise<void> {
    for (const message of this.#parts.outbox.waiting()) {
      if (this.#parts.line.lost) return;
      try {
        await this.#settling.send(message);
        this.#parts.outbox.done(message);
      } catch (error) {
        if (error instanceof LedgerUnavailable) return;
        this.#parts.notice(`${message.op} of ${message.id} is refused by Redis: ${(error as Error).message}`);
      }
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    if (!this.#parts.line.lost) await this.flush();
    await this.#epochs.close();
    this.#parts.line.close();
    this.#parts.outbox.close();
  }

  /** Runs a verb in the windows of the server's moment: when one has turned meanwhile, again in the new one. */
  async #timely(
    one: (typeof scripts)[keyof typeof scripts],
    organization: string,
    id: string,
    budgets: readonly Budget[],
    rates: readonly Rate[],
    tail: readonly (string | number)[],
  ): Promise<{ readonly answer: Answer; readonly plan: Plan }> {
    const base = baseOf(this.#parts.prefix, organization);
    for (let tries = 0; tries < 4; tries++) {
      const ahead_ms = Number.isFinite(this.#ahead_ms) ? this.#ahead_ms : 0;
      const now_ms = Date.now() + ahead_ms;
      const plan = planOf(budgets, rates, now_ms);
      const args = [...argsOf(plan, base, now_ms + this.#parts.deadline_ms), ...tail];
      const keys = keysOf(plan, base, id);
      const answer =
        one === scripts.read
          ? ((await this.#parts.line.run(one, keys, args)) as Answer)
          : await this.#epochs.run(one, organization, keys, args);
      const measured_ms = Number(answer[1]) - Date.now();
      this.#ahead_ms = codeOf(answer) === 3 ? measured_ms : Math.max(this.#ahead_ms, measured_ms);
      if (codeOf(answer) !== 3) return { answer, plan };
    }
    throw new LedgerUnavailable('the clock of Redis does not agree with itself');
  }

  #post(message: Message): void {
    this.#parts.outbox.add(message);
  }

  /** Who answers may be another primary than before. */
  met(): void {
    this.#epochs.forget();
  }

  /** Redis is back: what it lost is told to it, then what is waiting. */
  async back(): Promise<void> {
    this.#epochs.forget();
    await this.#epochs.greet().catch(() => {});
    await this.flush();
  }

  /** Whoever comes after a crash must find the organisations whose holds were abandoned. */
  #enrol(organization: string): void {
    if (this.#organizations.has(organization)) return;
    this.#organizations.add(organization);
    const { line, prefix } = this.#parts;
    line.call('sadd', [`${prefix}organizations`, organization], upkeep_ms).catch(() => {
      this.#organizations.delete(organization);
    });
  }

  async #everyone(): Promise<Set<string>> {
    const { line, prefix } = this.#parts;
    const all = (await line.call('smembers', [`${prefix}organizations`], upkeep_ms)) as string[];
    return new Set([...all, ...this.#organizations]);
  }

  async #tick(): Promise<void> {
    if (this.#parts.line.lost) return;
    try {
      await this.#epochs.greet();
      if (this.#parts.outbox.size > 0) await this.flush();
      await this.reap();
      if (this.#ticks++ % trim_every === 0) await reports.trim(this.#parts, await this.#everyone());
    } catch (error) {
      if (!(error instanceof LedgerUnavailable)) this.#parts.notice(`upkeep failed: ${(error as Error).message}`);
    }
  }
}

const reap_max = 50;
const trim_every = 10;
export const upkeep_ms = 5_000;
