import { closeSync, openSync, readFile } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { labelsOf } from '../labels.ts';
import type { Amount, Budget, LedgerEntry } from '../ledger.ts';
import { advance, amountIn, type Estimate, follow, type Step, type Tally, tally } from '../tally.ts';
import { frameAt } from './frames.ts';
import { amount, fillRolling, int } from './replay.ts';
import { segments } from './segments.ts';

/** How far the journal reaches at the moment that is asked about. */
export interface Position {
  readonly file: string;
  readonly size: number;
}

/** A counter as a segment's head has it. */
interface Head {
  readonly key: string;
  readonly unit: Budget['unit'];
  fill(tally: Tally): void;
}

const slice_bytes = 262_144;
const readAll = promisify<number, Buffer>(readFile);

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

/** Every counter at `time_ms` from the oldest kept snapshot and all entries after it. */
export async function rebuild(
  directory: string,
  until: Position,
  organization: string,
  time_ms: number,
): Promise<Map<string, Tally>> {
  const tallies = new Map<string, Tally>();
  const of = (key: string, unit: Budget['unit']): Tally => {
    const one = tallies.get(key) ?? tally(key, unit);
    tallies.set(key, one);
    return one;
  };
  for await (const { lines, first } of read(directory, until)) {
    for (const step of lines(organization)) {
      if ('entry' in step) follow(step, of);
      else if (first) step.fill(of(step.key, step.unit));
    }
  }
  for (const one of tallies.values()) advance(one, time_ms);
  return tallies;
}

type Lines = (organization: string) => Generator<Step | Head>;

/**
 * The segments kept at the moment of the first step, in slices, so that reading a long history does not hold up the event
 * loop. They are open from then on: one that is removed meanwhile would be missing in the middle.
 */
async function* read(directory: string, until: Position): AsyncGenerator<{ lines: Lines; first: boolean }> {
  const open = segments(directory).map(({ file }) => ({ file, fd: openSync(file, 'r') }));
  try {
    let first = true;
    for (let next = open[0]; next !== undefined; next = open[0]) {
      const { file, fd } = next;
      const bytes = await readAll(fd);
      open.shift();
      closeSync(fd);
      const size = file === until.file ? until.size : bytes.length;
      for await (const lines of slices(file, bytes, size)) yield { first, lines };
      first = false;
      if (file === until.file) return;
    }
  } finally {
    for (const { fd } of open) closeSync(fd);
  }
}

async function* slices(file: string, bytes: Buffer, size: number): AsyncGenerator<Lines> {
  const reader = new Reader();
  let text = '';
  for (let at = 0; at < size; ) {
    const next = frameAt(bytes, at);
    if (next === undefined) throw new Error(`${file}: damaged at byte ${at}`);
    text += next.text;
    at = next.end;
    if (text.length < slice_bytes && at < size) continue;
    const slice = text;
    yield (organization) => reader.follow(slice, organization);
    text = '';
    await turn();
  }
}

/** Reads what a segment says of one organisation's money; the language is `Scribe`'s. */
class Reader {
  readonly #orgs: string[] = [];
  readonly #counters: { key: string; unit: Budget['unit']; organization: string }[] = [];
  readonly #labels: string[] = [];
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
        const sums = { spent: int(w[2]), requests: int(w[4]), tokens: int(w[5]) };
        yield { ...counter, fill: (one) => void Object.assign(one, sums) };
      } else if (kind === 'w' && !this.#live) {
        const counter = this.#counters[int(w[1])];
        if (counter?.organization !== organization) continue;
        yield { ...counter, fill: ({ rolling }) => rolling !== undefined && fillRolling(rolling, w) };
      } else if (kind === 'Q') {
        this.#labels[int(w[1])] = w[2] ?? '';
      } else if (kind === 'z') {
        const counter = this.#counters[int(w[1])];
        if (counter?.organization === organization) yield resetOf(counter, int(w[2]));
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
    const after = kind === 's' ? 8 : kind === 'p' ? 6 : 5;
    const spent: Amount = spends ? amount(w[4], w[5], w[after + 1]) : { nusd: 0, tokens: 0 };
    const marks = w[after] ?? '-';
    const forgiven: string[] = [];
    const budgets = (marks === '-' ? [] : marks.split(',')).flatMap((mark) => {
      const counter = this.#counters[int(mark.replace('!', ''))];
      if (counter === undefined) return [];
      const { key, unit } = counter;
      if (mark.endsWith('!')) forgiven.push(key);
      return [{ key, unit, amount: spends ? amountIn(unit, spent) : 0 }];
    });
    const name = spends ? w[after + 2] : undefined;
    const labels = labelsOf(name === undefined || name === '-' ? '' : this.#labels[int(name)]);
    const entry = {
      id: w[1] ?? '',
      organization,
      at_ms: int(w[3]),
      amount: spent,
      estimated: kind === 'p' || kind === 'v' || (kind === 's' && w[6] === '1'),
      provisional: kind === 'p' || kind === 'v',
      ...(labels === undefined ? {} : { labels }),
      budgets,
    };
    return { entry, prior, forgiven, spends };
  }
}

function resetOf(
  { key, unit, organization }: { key: string; unit: Budget['unit']; organization: string },
  at_ms: number,
) {
  const amount = { nusd: 0, tokens: 0 };
  const budgets = [{ key, unit, amount: 0 }];
  const entry = { id: `reset:${key}`, organization, at_ms, amount, estimated: false, provisional: false, budgets };
  return { entry: { ...entry, reset: true as const }, prior: undefined, forgiven: [], spends: false };
}

function priorOf(text: string | undefined): Estimate | undefined {
  if (text === undefined || text === '-') return undefined;
  const [nusd, tokens, input, at_ms = '0'] = text.split(':');
  return { ...amount(nusd, tokens, input), at_ms: int(at_ms) };
}
