import { readFile } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import type { Amount, Budget, LedgerEntry } from '../ledger.ts';
import { frameAt } from './frames.ts';
import { amount, int } from './replay.ts';
import { segments } from './segments.ts';
import { amountIn } from './state.ts';

/** How far the journal reaches at the moment that is asked about. */
export interface Position {
  readonly file: string;
  readonly size: number;
}

interface Step {
  readonly entry: LedgerEntry;
  /** What this step replaces: the reaper's estimate. */
  readonly prior: Amount | undefined;
  /** 1 where a request came to count, -1 where it no longer does. */
  readonly requests: number;
}

interface Sums {
  spent: number;
  requests: number;
  tokens: number;
}

const slice_bytes = 262_144;

/** Entries of an organisation in the kept segments, oldest first. */
export async function* entriesOf(
  directory: string,
  until: Position,
  organization: string,
): AsyncGenerator<LedgerEntry> {
  for await (const { lines } of read(directory, until)) {
    for (const step of lines(organization)) if ('entry' in step) yield step.entry;
  }
}

/** Sums of every counter from the oldest kept snapshot and all entries after it. */
export async function rebuild(directory: string, until: Position, organization: string): Promise<Map<string, Sums>> {
  const sums = new Map<string, Sums>();
  const sum = (key: string): Sums => {
    const one = sums.get(key) ?? { spent: 0, requests: 0, tokens: 0 };
    sums.set(key, one);
    return one;
  };
  for await (const { lines, first } of read(directory, until)) {
    for (const step of lines(organization)) {
      if ('key' in step) {
        if (first) Object.assign(sum(step.key), step.sums);
        continue;
      }
      for (const { key, unit, amount: added } of step.entry.budgets) {
        const one = sum(key);
        one.spent += added - (step.prior === undefined ? 0 : amountIn(unit, step.prior));
        one.tokens += step.entry.amount.tokens - (step.prior?.tokens ?? 0);
        one.requests += step.requests;
      }
    }
  }
  return sums;
}

type Lines = (organization: string) => Generator<Step | { readonly key: string; readonly sums: Sums }>;

/** The kept segments in slices, so that reading a long history does not hold up the event loop. */
async function* read(directory: string, until: Position): AsyncGenerator<{ lines: Lines; first: boolean }> {
  let first = true;
  for (const { file } of segments(directory)) {
    let bytes: Buffer;
    try {
      bytes = await readFile(file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw error;
    }
    const size = file === until.file ? until.size : bytes.length;
    const reader = new Reader();
    let text = '';
    for (let at = 0; at < size; ) {
      const next = frameAt(bytes, at);
      if (next === undefined) throw new Error(`${file}: damaged at byte ${at}`);
      text += next.text;
      at = next.end;
      if (text.length < slice_bytes && at < size) continue;
      const slice = text;
      yield { first, lines: (organization) => reader.follow(slice, organization) };
      text = '';
      await turn();
    }
    first = false;
    if (file === until.file) return;
  }
}

/** Reads what a segment says of one organisation's money; the language is `Scribe`'s. */
class Reader {
  readonly #orgs: string[] = [];
  readonly #counters: { key: string; unit: Budget['unit']; organization: string }[] = [];
  #live = false;

  *follow(text: string, organization: string): ReturnType<Lines> {
    for (const line of text.split('\n')) {
      const w = line.split(' ');
      const kind = w[0];
      if (kind === 'O') this.#orgs[int(w[1])] = decodeURIComponent(w[2] ?? '');
      else if (kind === 'K') {
        const org = this.#orgs[int(w[2])] ?? '';
        this.#counters[int(w[1])] = { key: w[6] ?? '', unit: w[3] as Budget['unit'], organization: org };
      } else if (kind === 'E') this.#live = true;
      else if (kind === 'k' && !this.#live) {
        const counter = this.#counters[int(w[1])];
        if (counter?.organization !== organization) continue;
        yield { key: counter.key, sums: { spent: int(w[2]), requests: int(w[4]), tokens: int(w[5]) } };
      } else if (kind === 's' || kind === 'p' || kind === 'v' || kind === 'x') {
        if (this.#orgs[int(w[2])] !== organization) continue;
        const step = this.#step(kind, w, organization);
        if (step !== undefined) yield step;
      }
    }
  }

  #step(kind: 's' | 'p' | 'v' | 'x', w: string[], organization: string): Step | undefined {
    const spends = kind === 's' || kind === 'p';
    const prior = priorOf(kind === 's' ? w[7] : kind === 'p' ? '-' : w[4]);
    if (!spends && prior === undefined) return undefined;
    const spent = spends ? amount(w[4], w[5]) : { nusd: 0, tokens: 0 };
    const marks = w[kind === 's' ? 8 : kind === 'p' ? 6 : 5] ?? '-';
    const budgets = (marks === '-' ? [] : marks.split(',')).flatMap((mark) => {
      const counter = this.#counters[int(mark)];
      if (counter === undefined) return [];
      const { key, unit } = counter;
      return [{ key, unit, amount: spends ? amountIn(unit, spent) : 0 }];
    });
    const entry = {
      id: w[1] ?? '',
      organization,
      at_ms: int(w[3]),
      amount: spent,
      estimated: kind === 'p' || kind === 'v' || (kind === 's' && w[6] === '1'),
      provisional: kind === 'p' || kind === 'v',
      budgets,
    };
    return { entry, prior, requests: spends ? (prior === undefined ? 1 : 0) : -1 };
  }
}

function priorOf(text: string | undefined): Amount | undefined {
  if (text === undefined || text === '-') return undefined;
  const [nusd, tokens] = text.split(':');
  return amount(nusd, tokens);
}
