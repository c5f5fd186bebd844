import { Failure } from '../exchange/index.ts';
import { type Refusal, type Reserved, refusalsOf } from '../stores/index.ts';
import { budgetName, type CallLimits, ownBudget, ownRate, rateName } from './call-limits.ts';
import { Line, placeOf, type Waiter, type WaitingCall } from './waiting-line.ts';

/** Calls that wait in one process, in all: a call in line holds its body. */
const waiting_max = 4096;
/** Room that other processes make is looked for at first, and at least, so often. */
const pause_first_ms = 25;
const pause_max_ms = 1000;

/** A line, and how long a call may stand in it. */
interface Place {
  readonly line: Line;
  readonly queue_ms: number;
}

/**
 * Lines before limits that are reached: a call waits up to the limit's `queue_ms` for room and takes turns with those of
 * other callers, so that a hundred calls of one do not starve the single call of another. Whoever comes while others wait
 * stands behind them. Lines are this process's own. Bounded in number: when full, the caller with the most calls in line
 * loses its last one.
 */
export class Waiting {
  readonly #now: () => number;
  readonly #max: number;
  readonly #lines = new Map<string, Line>();
  #size = 0;
  #closed = false;

  /** `monotonic` in ms. */
  constructor(monotonic: () => number, max = waiting_max) {
    this.#now = monotonic;
    this.#max = max;
  }

  /** Calls in line. */
  get size(): number {
    return this.#size;
  }

  /**
   * What `ask` answers, at once or when it is the call's turn and there is room; the refusal where that takes too long.
   * Rejects as `ask` does, with the reason the exchange was called off for, and when the process ends.
   */
  async take(call: WaitingCall, ask: () => Promise<Reserved>): Promise<Reserved> {
    const before = this.#size === 0 ? undefined : this.#occupied(call);
    if (before !== undefined) return this.#wait(before, call, ask);
    const reserved = await ask();
    if (reserved.outcome === 'held') return reserved;
    const place = this.#place(call, reserved);
    return place === undefined ? reserved : this.#wait(place, call, ask, reserved.refusal);
  }

  /** Something these limits count was given back in this process. */
  freed(organization: string, limits: CallLimits): void {
    if (this.#size === 0) return;
    const names = new Set([...limits.budgets.map(budgetName), ...limits.rates.map(rateName)]);
    for (const line of [...this.#lines.values()]) {
      if (line.organization !== organization || !(line.ofModel || names.has(line.name))) continue;
      line.pause_ms = pause_first_ms;
      void this.#serve(line);
    }
  }

  /** Nobody waits any more: everyone in line is told so. Who comes later is refused by the limit itself. */
  close(): void {
    this.#closed = true;
    for (const line of [...this.#lines.values()]) {
      for (const waiter of [...line.waiters()]) {
        if (waiter.asking) continue;
        this.#leave(waiter);
        waiter.fail(closing());
      }
    }
  }

  /** A line before one of the call's limits. */
  #occupied({ organization, limits }: WaitingCall): Place | undefined {
    const find = (name: string, limit: number, queue_ms: number): Place | undefined => {
      const line = this.#lines.get(placeOf(organization, name, limit));
      return line === undefined || line.empty ? undefined : { line, queue_ms };
    };
    for (const rate of limits.rates) {
      const { queue_ms } = rate;
      const place = queue_ms === undefined ? undefined : find(rateName(rate), rate.limit, queue_ms);
      if (place !== undefined) return place;
    }
    for (const budget of limits.budgets) {
      const { queue_ms } = budget;
      const place = queue_ms === undefined ? undefined : find(budgetName(budget), budget.limit, queue_ms);
      if (place !== undefined) return place;
    }
    return undefined;
  }

  /** Where to wait after a refusal; undefined where waiting is not allowed, or in vain. */
  #place({ organization, limits }: WaitingCall, refused: Refused): Place | undefined {
    if (this.#closed) return undefined;
    const { refusal } = refused;
    // One that lets nobody wait refuses, though another one would.
    if (!refusalsOf(refused).every((one) => waitable(one, limits))) return undefined;
    const own = waitable(refusal, limits);
    if (own === undefined) return undefined;
    const { scope, limit, queue_ms } = own;
    const name = refusal.kind === 'rate' ? rateName(refusal.rate) : budgetName(refusal.budget);
    const key = placeOf(organization, name, limit);
    const line = this.#lines.get(key) ?? new Line(organization, name, limit, scope.kind === 'model');
    this.#lines.set(key, line);
    return { line, queue_ms };
  }

  #wait({ line, queue_ms }: Place, call: WaitingCall, ask: Waiter['ask'], told?: Refusal): Promise<Reserved> {
    return new Promise((resolve, reject) => {
      const calledOff = (reason: Failure): void => {
        if (waiter.asking) return;
        this.#leave(waiter);
        waiter.fail(reason);
      };
      const left_ms = Math.max(0, Math.min(queue_ms, call.deadline - this.#now()));
      const timer = setTimeout(() => this.#giveUp(waiter), left_ms);
      const over = (): void => {
        clearTimeout(timer);
        call.abort.detach(calledOff);
      };
      const waiter: Waiter = {
        ...call,
        ask,
        done(reserved) {
          over();
          resolve(reserved);
        },
        fail(thrown) {
          over();
          reject(thrown);
        },
        asking: false,
        asked: told?.asked,
        expired: false,
        line,
      };
      if (told !== undefined) line.said(told, this.#now());
      if (this.#size >= this.#max && !this.#makeRoom(waiter)) {
        this.#answer(waiter, line);
        this.#drop(line);
        return;
      }
      line.add(waiter, 'last');
      this.#size += 1;
      call.abort.attach(calledOff);
      this.#schedule(line, told);
    });
  }

  /** Takes the last call of the caller that has the most in line, unless that is who asks. */
  #makeRoom({ line, caller }: Waiter): boolean {
    let longest: ReturnType<Line['longest']>;
    for (const one of this.#lines.values()) {
      longest = one.longest(longest?.count ?? line.countOf(caller) + 1) ?? longest;
    }
    if (longest === undefined) return false;
    const { last } = longest;
    this.#leave(last);
    this.#answer(last, last.line);
    return true;
  }

  /** The last word on the limit, or where nobody asked yet the call's own. */
  #answer(waiter: Waiter, line: Line): void {
    const refused = line.refusedNow(waiter, this.#now());
    if (refused === undefined) void waiter.ask().then(waiter.done, waiter.fail);
    else waiter.done(refused);
  }

  #giveUp(waiter: Waiter): void {
    if (waiter.asking) {
      waiter.expired = true;
      return;
    }
    this.#leave(waiter);
    this.#answer(waiter, waiter.line);
  }

  #leave(waiter: Waiter): void {
    if (waiter.line.remove(waiter)) this.#size -= 1;
    this.#drop(waiter.line);
  }

  #drop(line: Line): void {
    if (!line.empty || line.serving) return;
    clearTimeout(line.timer);
    const key = placeOf(line.organization, line.name, line.limit);
    if (this.#lines.get(key) === line) this.#lines.delete(key);
  }

  #schedule(line: Line, told: Refusal | undefined): void {
    if (line.timer !== undefined || line.serving) return;
    line.pause_ms = Math.min(Math.max(line.pause_ms * 2, pause_first_ms), pause_max_ms);
    // Room among requests comes at a known moment; among everything else whenever some call ends.
    const exact = told?.kind === 'rate' && told.rate.unit === 'requests' ? told.retry_after_ms : line.pause_ms;
    const pause = Math.min(Math.max(1, exact), pause_max_ms);
    line.timer = setTimeout(() => void this.#serve(line), pause);
  }

  /** Lets calls in, one after the other, until one is refused. */
  async #serve(line: Line): Promise<void> {
    if (line.serving) {
      line.again = true;
      return;
    }
    clearTimeout(line.timer);
    line.timer = undefined;
    line.serving = true;
    let told: Refusal | undefined;
    for (let waiter = line.first; waiter !== undefined; waiter = line.first) {
      line.again = false;
      told = await this.#try(waiter);
      if (told !== undefined && !line.again) break;
    }
    line.serving = false;
    if (line.empty) this.#drop(line);
    else this.#schedule(line, told);
  }

  /** One call asks. It leaves the line, or stays in front of it with the refusal given back. */
  async #try(waiter: Waiter): Promise<Refusal | undefined> {
    const { line } = waiter;
    waiter.asking = true;
    let reserved: Reserved;
    try {
      reserved = await waiter.ask();
    } catch (thrown) {
      this.#leave(waiter);
      waiter.fail(thrown);
      return undefined;
    }
    waiter.asking = false;
    if (reserved.outcome === 'held') {
      this.#leave(waiter);
      line.nextTurn(waiter.caller);
      line.pause_ms = 0;
      waiter.done(reserved);
      return undefined;
    }
    const { refusal } = reserved;
    const gone = waiter.abort.reason ?? (this.#closed ? closing() : undefined);
    const place = gone === undefined && !waiter.expired ? this.#place(waiter, reserved) : undefined;
    waiter.asked = refusal.asked;
    if (place?.line === line) {
      line.said(refusal, this.#now());
      return refusal;
    }
    this.#leave(waiter);
    if (gone !== undefined) waiter.fail(gone);
    else if (place === undefined) waiter.done(reserved);
    else this.#move(waiter, place.line, refusal);
    return undefined;
  }

  /** There is room here, and none under another limit: it waits there, before its caller's other calls. */
  #move(waiter: Waiter, line: Line, refusal: Refusal): void {
    waiter.line = line;
    line.add(waiter, 'first');
    this.#size += 1;
    line.said(refusal, this.#now());
    this.#schedule(line, refusal);
  }
}

type Refused = Extract<Reserved, { outcome: 'refused' }>;

/** The caller's limit that refused, where it lets calls wait and room may come in time. */
function waitable(refusal: Refusal, limits: CallLimits) {
  const own = refusal.kind === 'rate' ? ownRate(limits, refusal.rate) : ownBudget(limits, refusal.budget);
  if (own?.queue_ms === undefined || inVain(refusal, own.queue_ms)) return undefined;
  return { ...own, queue_ms: own.queue_ms };
}

/** Whether no room can come in time: a call larger than its limit, a window that turns too late. */
function inVain(refusal: Refusal, queue_ms: number): boolean {
  const { asked } = refusal;
  if (refusal.kind === 'rate') {
    const { unit, limit } = refusal.rate;
    // Tokens that running calls hold may come back at any moment, requests do not.
    const { soonest_ms = unit === 'requests' ? refusal.retry_after_ms : 0 } = refusal;
    return asked > limit || soonest_ms > queue_ms;
  }
  const { budget, limit, spent, resets_at_ms, resets_in_ms } = refusal;
  if (asked > limit) return true;
  // What is held may come back; what is spent goes with the window alone.
  if (spent + asked <= limit || budget.window === 'rolling') return false;
  return resets_at_ms === 0 || resets_in_ms > queue_ms;
}

function closing(): Failure {
  return new Failure('rate_limit_exceeded', 'The gateway is shutting down, so nobody waits for room here: try again.', {
    status: 503,
    retryAfterSeconds: 1,
  });
}
