import { randomBytes } from 'node:crypto';
import { labelText } from '../labels.ts';
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
import { budgetOfKey } from '../window-key.ts';
import { amended, codeOf, refusal, settled, standing } from './answers.ts';
import type { RedisLedger } from './index.ts';
import { type Line, NoAnswer } from './line.ts';
import { Mine } from './mine.ts';
import type { Message, Outbox } from './outbox.ts';
import * as people from './overrides.ts';
import { shapeOf } from './plan.ts';
import { reconcile } from './reconcile.ts';
import * as reports from './reports.ts';
import { Turns } from './turns.ts';

export interface Parts {
  readonly line: Line;
  readonly outbox: Outbox;
  /** `llm:`, or nothing. */
  readonly prefix: string;
  readonly owner: string;
  readonly deadline_ms: number;
  readonly entries_max: number;
  readonly reap_interval_ms: number;
  readonly notice: (message: string) => void;
}

/** Settled and released ids are remembered this long, so that a repeated delivery is known for one. */
const remembered_ms = 600_000;

/** All limits in Redis: what a turn of the event loop asks is one script, on the server's clock. */
export class RemoteLedger implements RedisLedger {
  readonly #parts: Parts;
  readonly #turns: Turns;
  readonly #mine = new Mine();
  /** Messages that are under way. */
  readonly #flying = new Set<Message>();
  readonly #organizations = new Set<string>();
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #run = randomBytes(6).toString('base64url');
  #reserves = 0;
  #sending: Promise<void> | undefined;
  #ticks = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#turns = new Turns(parts);
    if (parts.reap_interval_ms > 0) this.#timer = setInterval(() => void this.#tick(), parts.reap_interval_ms).unref();
  }

  async reserve(request: ReserveRequest): Promise<Reserved> {
    checkReserve(request);
    const { id, organization, amount, budgets, rates, lease_ms, owner, labels } = request;
    const { nusd, tokens, input = 0 } = amount;
    // Each reserve has a name of its own: what gives back one whose answer never came must not touch a later one.
    const nonce = `${this.#run}${++this.#reserves}`;
    const operation = [0, id, 0, nusd, tokens, input, lease_ms, owner, nonce, labelText(labels)];
    const answer = await this.#turns.timely(organization, budgets, rates, operation).catch((error) => {
      if (error instanceof NoAnswer) void this.#parts.outbox.keep({ op: 'release', id, organization, nonce });
      throw error;
    });
    if (codeOf(answer) !== 0) return { outcome: 'refused', refusal: refusal(answer, () => undefined) };
    this.#mine.remember(organization, id, answer.plan, nonce);
    this.#enrol(organization);
    return { outcome: 'held', ...standing(answer, budgets, rates) };
  }

  async amend(amendment: Amendment): Promise<Reserved> {
    checkAmendment(amendment);
    const { id, organization, amount, budgets, rates, lease_ms } = amendment;
    const { nusd, tokens, input = 0 } = amount;
    const operation = [1, id, 0, nusd, tokens, input, lease_ms];
    const answer = await this.#turns.timely(organization, budgets, rates, operation);
    const known = (key: string) =>
      answer.plan.budgets.find((one) => one.key === key)?.budget ?? this.#mine.budget(organization, id, key);
    if (codeOf(answer) === 4) throw new HoldGone(`nothing is held under ${id}`);
    if (codeOf(answer) !== 5) return { outcome: 'refused', refusal: refusal(answer, known) };
    this.#mine.remember(organization, id, answer.plan, undefined);
    return amended(answer, known);
  }

  async settle(settlement: Settlement): Promise<Settled> {
    checkSettlement(settlement);
    const message = messageOf(settlement);
    try {
      return await this.#settle(message, true);
    } catch (error) {
      await this.#parts.outbox.keep(message);
      throw error;
    }
  }

  async post(settlement: Settlement): Promise<void> {
    checkSettlement(settlement);
    const message = messageOf(settlement);
    const kept = this.#parts.outbox.keep(message);
    void this.#deliver(message);
    await kept;
  }

  async #settle(message: Extract<Message, { op: 'settle' }>, tell: boolean): Promise<Settled> {
    const { id, organization, nusd, tokens, input = 0, estimated, labels = '' } = message;
    const amounts = [nusd, tokens, input, estimated ? '1' : '0', remembered_ms];
    const mine = this.#mine.get(organization, id);
    let answer = await this.#turns.ask(organization, [2, id, '', ...amounts, tell ? 1 : 0, labels]);
    // Held by us and not known there: the store lost it. What it cost is counted all the same, unless so much time has
    // passed since it was first sent that it may have been settled then and forgotten.
    const fresh = Date.now() - message.at_ms < remembered_ms / 2;
    if (codeOf(answer) === 2 && mine !== undefined && fresh) {
      this.#parts.notice(`Redis has lost the hold of ${id}; its cost is counted from what this process remembers`);
      answer = await this.#turns.ask(organization, [5, id, 0, ...amounts, labels], mine.plan());
    }
    const budgets = settled(answer, (key) => mine?.budgets.get(key)?.budget);
    this.#mine.forget(organization, id);
    const code = codeOf(answer);
    return { outcome: code === 1 ? 'repeated' : code === 2 ? 'unknown' : 'settled', budgets };
  }

  async release(id: string, organization: string): Promise<void> {
    checkId(id, organization);
    const message = { op: 'release', id, organization, nonce: '' } as const;
    try {
      await this.#release(message);
    } catch (error) {
      await this.#parts.outbox.keep(message);
      throw error;
    }
  }

  async #release({ id, organization, nonce }: Extract<Message, { op: 'release' }>): Promise<void> {
    await this.#turns.ask(organization, [3, id, nonce]);
    if (nonce === '' || this.#mine.get(organization, id)?.nonce === nonce) this.#mine.forget(organization, id);
  }

  async read(organization: string, budgets: readonly Budget[], rates: readonly Rate[]) {
    checkLimits(budgets, rates);
    return standing(await this.#turns.timely(organization, budgets, rates, [4, '', 0]), budgets, rates);
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
    const told = budgetOfKey(key);
    if (told === undefined) return false;
    return codeOf(await this.#turns.alone(organization, [7, key, ...shapeOf(told.budget)], upkeep_ms)) === 1;
  }

  async reap(): Promise<number> {
    let reaped = 0;
    for (const organization of await this.#everyone()) {
      for (let done = reap_max; done === reap_max; reaped += done) {
        const { list } = await this.#turns.alone(organization, [6, reap_max], upkeep_ms);
        done = Number(list[0]);
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
    const waiting = this.#parts.outbox.waiting();
    for (let at = 0; at < waiting.length && !this.#parts.line.lost; at += send_max) {
      await Promise.all(waiting.slice(at, at + send_max).map((message) => this.#deliver(message)));
    }
  }

  /** Until it is acknowledged a message stays in the outbox, and is sent again when Redis is back. */
  async #deliver(message: Message): Promise<void> {
    if (this.#flying.has(message) || !this.#parts.outbox.has(message)) return;
    this.#flying.add(message);
    try {
      if (message.op === 'settle') await this.#settle(message, false);
      else await this.#release(message);
      this.#parts.outbox.done(message);
    } catch (error) {
      if (error instanceof LedgerUnavailable) return;
      this.#parts.notice(`${message.op} of ${message.id} is refused by Redis: ${(error as Error).message}`);
    } finally {
      this.#flying.delete(message);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    if (!this.#parts.line.lost) await this.flush();
    while (this.#flying.size > 0 && !this.#parts.line.lost) await new Promise(setImmediate);
    this.#parts.line.close();
    this.#parts.outbox.close();
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
      if (this.#parts.outbox.size > 0) await this.flush();
      await this.reap();
      if (this.#ticks++ % trim_every === 0) await reports.trim(this.#parts, await this.#everyone());
    } catch (error) {
      if (!(error instanceof LedgerUnavailable)) this.#parts.notice(`upkeep failed: ${(error as Error).message}`);
    }
  }
}

const reap_max = 50;
const send_max = 500;
const trim_every = 10;
export const upkeep_ms = 5_000;

function messageOf({ id, organization, amount, estimated, labels }: Settlement): Extract<Message, { op: 'settle' }> {
  const { nusd, tokens, input } = amount;
  const message = { op: 'settle', id, organization, nusd, tokens, estimated, at_ms: Date.now() } as const;
  const text = labelText(labels);
  return { ...message, ...(input === undefined ? {} : { input }), ...(text === '' ? {} : { labels: text }) };
}
