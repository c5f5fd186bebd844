import type { Amendment, Reserved } from '../ledger.ts';
import { LedgerUnavailable } from '../ledger.ts';
import { sharedNeeds } from '../share/shared-limits.ts';
import { amountIn } from '../tally.ts';
import { type Account, heldBy } from './account.ts';
import type { Need, Wanting } from './admission.ts';
import type { Amending } from './amend.ts';
import type { Books } from './books.ts';
import { change, type Holding, take, takeBack } from './counter.ts';
import { item } from './items.ts';
import { obtain } from './obtain.ts';
import { note, type Office } from './office.ts';
import { draw, type LocalHold, move, type Slice } from './slices.ts';

/** What comes back of an estimate, by the slices of its hold in their order; 0 where it does not count on it. */
export type Back = readonly (readonly [Slice, number])[];

/** Renewals of an organisation that one trade tells of. */
const renewing_max = 50;
const nothing = { nusd: 0, tokens: 0, input: 0 };

/**
 * Another amount for a hold whose lease was missed. Its estimate is spent in the shared ledger, where people may have
 * forgiven it or it may have aged out: only there is known what of it comes back. So room for the difference is taken first,
 * the shared ledger gives back the estimate where it counts in all counters or keeps it, and where it is kept, room for all
 * of it is looked for. `again` amends anew, whatever the hold is by then.
 */
export function renew(
  office: Office,
  account: Account,
  amendment: Amendment,
  hold: LocalHold,
  { again, shares, onLoss, expiry }: Amending & { readonly again: () => Promise<Reserved> },
): Promise<Reserved> {
  const { books, desk } = account;
  const { id, amount, budgets, rates } = amendment;
  const isMine = () => books.holds.get(id) === hold && hold.provisional && !books.renewing.has(id);

  const attempt = (forgiven: ReadonlySet<Slice>): Promise<Reserved> => {
    const wanting: Wanting = { amount, budgets, rates, hold, forgiven };
    const covered = (needs: readonly Need[]) => {
      if (!isMine()) return again();
      const back: Back = hold.slices.map((slice) => [slice, forgiven.has(slice) ? 0 : amountIn(slice.unit, hold)]);
      if (back.every(([, of]) => of === 0)) return anew(needs);
      return swap(needs, back);
    };
    return obtain(office, account, wanting, covered, lost);
  };

  /** There is room for all of it, whatever comes back. */
  const anew = (needs: readonly Need[]): Promise<Reserved> => {
    tell(office, books, hold, 'v', nothingOf(hold));
    hold.seats.length = 0;
    hold.provisional = false;
    take(office, hold, needs);
    change(office, books, hold, amount, expiry());
    return office.journal.commit(heldBy(office, needs));
  };

  /** Where its limits admit a share, all of it is taken of that: what comes back the lost ledger cannot say. */
  const lost = (error: Error): Promise<Reserved> => {
    const wanting: Wanting = { amount, budgets, rates, hold, forgiven: new Set(hold.slices) };
    const shared = sharedNeeds(books, wanting, onLoss(), office.now());
    if (!(error instanceof LedgerUnavailable) || shared === undefined) throw error;
    if (!isMine()) return again();
    const refused = shares.take(office, books, shared);
    return refused === undefined ? anew(shared) : Promise.resolve(refused);
  };

  const swap = (needs: readonly Need[], back: Back): Promise<Reserved> => {
    const taken = takeMore(office, needs);
    tell(office, books, hold, 'v', back);
    return new Promise<Reserved>((resolve, reject) => {
      let over = (): void => {};
      books.renewing.set(id, new Promise<void>((ended) => (over = ended)));
      const end = (step: () => Promise<Reserved>): void => {
        books.renewing.delete(id);
        over();
        try {
          resolve(step());
        } catch (error) {
          reject(error);
        }
      };
      desk.renew({
        id,
        number: books.items,
        back,
        again: () =>
          end(() => {
            holdAgain(hold, taken, back);
            for (const slice of hold.slices) keepOnly(slice, amountIn(slice.unit, amount), taken, back);
            change(office, books, hold, amount, expiry());
            return office.journal.commit(heldBy(office, needs));
          }),
        stands: (counts) =>
          end(() => {
            giveUp(office, books, taken);
            books.standing.stays(id);
            const gone = back.filter(([, of], at) => of === 0 || counts[at] !== true).map(([slice]) => slice);
            // Once all that came with that answer is known.
            return Promise.resolve().then(() => attempt(new Set(gone)));
          }),
        failed: (error) =>
          end(() => {
            giveUp(office, books, taken);
            tell(office, books, hold, 'p', back);
            return lost(error);
          }),
      });
    });
  };

  const busy = books.renewing.get(id) ?? (books.renewing.size < renewing_max ? undefined : first(books.renewing));
  return busy === undefined ? attempt(new Set()) : busy.then(again);
}

/** Renewals that an earlier process did not hear the end of: those are estimates again. */
export function endRenewals(office: Office, books: Books): void {
  for (const [id, { keys }] of books.unheard) {
    const hold = books.holds.get(id);
    if (hold?.provisional !== true) continue;
    const back = hold.slices.map((slice) => [slice, keys.has(slice.key) ? amountIn(slice.unit, hold) : 0] as const);
    tell(office, books, hold, 'p', back);
  }
  books.unheard.clear();
}

/** `v`: the estimate comes back; `p`: it is one all the same. */
function tell(office: Office, books: Books, hold: LocalHold, kind: 'v' | 'p', back: Back): void {
  const sign = kind === 'v' ? -1 : 1;
  item.money(books, kind, hold, kind === 'v' ? nothing : hold, true, hold.labels);
  for (const [slice, of] of back) {
    move(slice, sign * of, sign * of);
    item.counter(slice, of === 0 ? 0 : sign * of);
  }
  item.end();
  note(office, books, item);
  if (kind === 'v') books.standing.end(hold.id, books.items);
  else books.standing.stays(hold.id);
}

function nothingOf({ slices }: LocalHold): Back {
  return slices.map((slice) => [slice, 0]);
}

/** What a renewal holds while it is not known whether its estimate comes back. */
interface Taken extends Holding {
  readonly drawn: ReadonlyMap<Slice, number>;
}

/** Takes what is needed beyond the estimate. */
function takeMore(office: Office, needs: readonly Need[]): Taken {
  const drawn = new Map<Slice, number>();
  const more = needs.map((need) => ({ ...need, asked: Math.max(0, need.asked) }));
  for (const need of more) if (need.of === 'budget') drawn.set(need.slice, need.asked);
  const taken: Taken = { drawn, slices: [], parts: [], seats: [] };
  take(office, taken, more);
  return taken;
}

function giveUp(office: Office, books: Books, taken: Taken): void {
  for (const [slice, amount] of taken.drawn) draw(slice, -amount, slice.used_ms);
  takeBack(office, books, taken);
}

function holdAgain(hold: LocalHold, { slices, parts, seats }: Taken, back: Back): void {
  for (const [slice, of] of back) slice.held += of;
  for (const slice of slices) if (!hold.slices.includes(slice)) hold.slices.push(slice);
  hold.parts.push(...parts);
  hold.seats.splice(0, hold.seats.length, ...seats);
  hold.provisional = false;
}

/** What came back and was taken beyond the amount is free. */
function keepOnly(slice: Slice, amount: number, { drawn }: Taken, back: Back): void {
  const came = back.find(([one]) => one === slice)?.[1] ?? 0;
  const rest = came + (drawn.get(slice) ?? 0) - amount;
  slice.held -= rest;
  slice.free += rest;
}

function first<T>(table: ReadonlyMap<string, T>): T | undefined {
  return table.values().next().value;
}
