import type { RateAsk, RateGrant, SeatsGrant, SliceGrant, SliceStore, Trade, Traded } from '../leased/port.ts';
import { slotting } from '../rate-key.ts';
import type { Answer } from './answers.ts';
import type { Line } from './line.ts';
import { baseOf, letters } from './plan.ts';
import { scripts } from './scripts.ts';

/** An owner that went away may come back and tell what it spent this long. */
const remembered_ms = 7 * 86_400_000;

/** Slices in Redis: one script a trade, on the server's clock. */
export class RemoteSlices implements SliceStore {
  readonly #line: Line;
  readonly #prefix: string;
  readonly #enrol: (organization: string) => void;

  /** `enrol` is told whose slices there are. */
  constructor(line: Line, prefix: string, enrol: (organization: string) => void) {
    this.#line = line;
    this.#prefix = prefix;
    this.#enrol = enrol;
  }

  async trade(trade: Trade): Promise<Traded> {
    const base = baseOf(this.#prefix, trade.organization);
    const keys = [`${base}slices:${trade.owner}`];
    this.#enrol(trade.organization);
    const answer = (await this.#line.run(scripts.trade, keys, [base, textOf(trade), remembered_ms])) as Answer;
    return read(answer, trade);
  }

  /** Counts what owners had taken whose lease is over as spent. Rejects as every command. */
  async reclaim(organization: string, deadline_ms: number): Promise<number> {
    const base = baseOf(this.#prefix, organization);
    return Number(await this.#line.run(scripts.reclaim, [`${base}slices`], [base, remembered_ms], deadline_ms));
  }
}

function textOf({ owner, number, lease_ms, items, slices, rates, seats, whole }: Trade): string {
  const rest = JSON.stringify({
    owner,
    number,
    lease_ms,
    whole,
    slices: slices.map(({ key, budget, start_ms, end_ms, expires_ms, holds, free, least, asked, ahead }) => ({
      key,
      unit: letters[budget.unit],
      hard: budget.hard ? 1 : 0,
      limit: budget.limit,
      start: start_ms,
      end: end_ms,
      expires: expires_ms,
      holds,
      free,
      least,
      asked,
      ahead,
    })),
    rates: rates.map((one) => ({ ...asking(one), ...slotting(Math.max(1, one.rate.window_ms)) })),
    seats: seats.map((one) => ({ ...asking(one), holds: one.holds, free: one.free })),
  });
  // Items are JSON already.
  return `${rest.slice(0, -1)},"items":[${items.join()}]}`;
}

function asking({ key, rate, least, asked, ahead }: RateAsk) {
  return { key, limit: rate.limit, least, asked, ahead };
}

function read(answer: Answer, trade: Trade): Traded {
  let at = 2;
  const next = () => Number(answer[at++]);
  if (Number(answer[0]) === 1) return { outcome: 'late', number: next() };
  const slices = trade.slices.map((): SliceGrant => {
    const [amount, spent, held, limit, wanted, turned] = [next(), next(), next(), next(), next(), next()];
    return { amount, spent, held, limit, wanted: wanted === 1, turned: turned === 1 };
  });
  const rates = trade.rates.map((): RateGrant => {
    const [granted, slot, lasts_ms] = [next(), next(), next()];
    return { granted, slot, lasts_ms, used: next(), reset_ms: next(), retry_after_ms: next() };
  });
  const seats = trade.seats.map((): SeatsGrant => ({ amount: next(), others: next() }));
  return { outcome: 'done', now_ms: Number(answer[1]), slices, rates, seats };
}
