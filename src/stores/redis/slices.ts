import type {
  CounterResets,
  CounterSum,
  EstimateGrant,
  Fade,
  Floor,
  RateAsk,
  RateGrant,
  RenewalGrant,
  SeatsGrant,
  SliceGrant,
  SliceStore,
  ToldAgain,
  Trade,
  Traded,
} from '../leased/port.ts';
import type { Epochs } from './epoch.ts';
import type { Line } from './line.ts';
import { baseOf, shapeOf, slotsOf } from './plan.ts';
import { tellFloors, telling_ms } from './retell.ts';
import { scripts } from './scripts.ts';

/** An owner that went away may come back and tell what it spent this long. */
const remembered_ms = 7 * 86_400_000;
const beat_max_ms = 1_000;
/** What nobody was told is in no sum that anybody was told, whenever that was. */
const untold_ms = Number.MAX_SAFE_INTEGER;

export interface SlicesOptions {
  readonly line: Line;
  readonly epochs: Epochs;
  readonly deadline_ms: number;
  /** `llm:`, or nothing. */
  readonly prefix: string;
  /** Names this process among those that tell what they spent. */
  readonly me: string;
  /** Told whose slices there are. */
  readonly enrol: (organization: string) => void;
}

type Retelling = (organization: string, permit: string) => Promise<readonly Floor[]>;

/** Slices in Redis: one script a trade, on the server's clock. */
export class RemoteSlices implements SliceStore {
  readonly #options: SlicesOptions;
  #retelling: Retelling | undefined;

  constructor(options: SlicesOptions) {
    this.#options = options;
  }

  get lost(): boolean {
    return this.#options.line.lost;
  }

  get deadline_ms(): number {
    return this.#options.deadline_ms;
  }

  async trade(trade: Trade, permit: string | undefined, late: (answer: Traded) => void): Promise<Traded> {
    const { epochs, prefix, enrol, me } = this.#options;
    const base = baseOf(prefix, trade.organization);
    const keys = [`${base}slices:${trade.owner}`];
    enrol(trade.organization);
    const args = [base, textOf(trade, me), remembered_ms, trade.items];
    const answer = await epochs.run(scripts.trade, trade.organization, keys, args, {
      permit,
      ...(permit === undefined ? {} : { deadline_ms: telling_ms }),
      late: (answer) => late(read(answer, trade)),
    });
    return read(answer, trade);
  }

  onLost(retell: Retelling): void {
    this.#retelling = retell;
  }

  /** Tells a store that lost data what is held here; part of an epoch's beginning. */
  async retell(organization: string, permit: string): Promise<void> {
    const floors = (await this.#retelling?.(organization, permit)) ?? [];
    if (floors.length === 0) return;
    const { line, prefix, me } = this.#options;
    const base = baseOf(prefix, organization);
    const told = floors.flatMap(({ key, budget, expires_ms, spent, at_ms, resets, added }) => {
      const sum = [key, at_ms, spent, shapeOf(budget)[0], budget.limit, budget.hard ? 1 : 0, expires_ms, resets];
      return [...sum, added === 0 ? '' : `${untold_ms} ${added}`];
    });
    await tellFloors(line, base, permit, [`${me}.slices`, ...told]);
  }

  async beat(owner: string, ttl_ms: number): Promise<number> {
    const { line, prefix } = this.#options;
    return Number(await line.run(scripts.beat, [`${prefix}processes`], [owner, ttl_ms], beat_max_ms));
  }

  /** Counts what owners had taken whose lease is over as spent. Rejects as every command. */
  async reclaim(organization: string, deadline_ms: number): Promise<number> {
    const { epochs, prefix } = this.#options;
    const base = baseOf(prefix, organization);
    const args = [base, remembered_ms];
    const answer = await epochs.run(scripts.reclaim, organization, [`${base}slices`], args, { deadline_ms });
    return Number(answer[2]);
  }
}

function textOf({ owner, number, lease_ms, slices, rates, seats, renewals, whole, again }: Trade, me: string): string {
  return JSON.stringify({
    owner,
    number,
    lease_ms,
    whole,
    slices: slices.map(({ key, budget, start_ms, end_ms, expires_ms, holds, free, least, asked, ahead }) => {
      const [unit, ms, n] = shapeOf(budget);
      const window = { start: start_ms, end: end_ms, expires: expires_ms, ms, n };
      const hard = budget.hard ? 1 : 0;
      return { key, unit, hard, limit: budget.limit, ...window, holds, free, least, asked, ahead };
    }),
    rates: rates.map((one) => {
      const [ms, n] = slotsOf(one.rate.window_ms);
      return { ...asking(one), most: one.most, ms, n };
    }),
    seats: seats.map((one) => ({ ...asking(one), holds: one.holds, free: one.free })),
    renewals: renewals.map(({ id, back }) => [id, ...back.map(({ key, amount }) => [key, amount])]),
    ...(again === undefined ? {} : { me, ...againOf(again) }),
  });
}

function againOf({ resets, estimates }: ToldAgain) {
  return {
    resets: resets.map(resetsOf),
    estimates: estimates.map(({ id, amount: { nusd, tokens, input = 0 }, labels, counters, at_ms, ended }) => {
      return [id, nusd, tokens, input, labels, counters.map(resetsOf), at_ms, ended];
    }),
  };
}

function resetsOf({ key, budget, expires_ms, resets }: CounterResets) {
  const [unit, ms, n] = shapeOf(budget);
  return [key, unit, budget.limit, budget.hard ? 1 : 0, expires_ms, ms, n, resets];
}

function asking({ key, rate, least, asked, ahead }: Omit<RateAsk, 'most'>) {
  return { key, limit: rate.limit, least, asked, ahead };
}

function read(answer: readonly unknown[], trade: Trade): Traded {
  let at = 2;
  const next = () => Number(answer[at++]);
  if (Number(answer[0]) === 1) return { outcome: 'late', number: next() };
  const had = next();
  const slices = trade.slices.map((): SliceGrant => {
    const [amount, spent, held, limit, wanted, turned] = [next(), next(), next(), next(), next(), next()];
    const flags = { wanted: wanted === 1, turned: turned === 1 };
    return { amount, spent, held, limit, ...flags, empty_at_ms: next(), resets: next() };
  });
  const rates = trade.rates.map((): RateGrant => {
    const [granted, slot, lasts_ms] = [next(), next(), next()];
    const [used, reset_ms, parts] = [next(), next(), next()];
    const fades = Array.from({ length: parts }, (): Fade => ({ amount: next(), in_ms: next() }));
    return { granted, slot, lasts_ms, used, reset_ms, fades };
  });
  const seats = trade.seats.map((): SeatsGrant => ({ amount: next(), others: next(), wanted: next() === 1 }));
  const renewals = trade.renewals.map((): RenewalGrant => {
    const [state, ...counts] = String(answer[at++]);
    return state === 'h' ? { held: true } : { held: false, counts: counts.map((one) => one === '1') };
  });
  const sums = Array.from({ length: next() }, (): CounterSum => {
    return { key: String(answer[at++]), spent: next(), resets: next() };
  });
  const estimates: EstimateGrant[] = [];
  for (; at < answer.length; at += 2) {
    const words = String(answer[at + 1]).split(' ');
    const [at_ms = 0, ...resets] = words.filter((word) => word !== '').map(Number);
    estimates.push({ id: String(answer[at]), at_ms, resets });
  }
  const [lapsed, now_ms] = [Number(answer[0]) === 2, Number(answer[1])];
  return { outcome: 'done', lapsed, now_ms, had, slices, rates, seats, renewals, sums, estimates };
}
