import type { KeyObject } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { listLate, listTrail } from './file-sink.ts';
import { headHolds, headText, parseHead, type SignedHead } from './head.ts';
import { readPublicKeys } from './keys.ts';
import { genesis, lineHolds, type ParsedLine, parseLine } from './line.ts';
import { readLines } from './read-lines.ts';

/** The first thing wrong at a place. `line` counts from 1. */
export interface TrailProblem {
  readonly kind: 'edited' | 'removed' | 'reordered' | 'repeated' | 'truncated' | 'unsigned' | 'head_forged';
  readonly file: string;
  readonly line: number;
  readonly spool: string;
  /** The record at fault, or the first one missing. */
  readonly seq: number;
  readonly detail: string;
}

export interface SpoolReport {
  readonly spool: string;
  readonly records: number;
  readonly last_seq: number;
  /** Up to here a signed head vouches that nothing was cut off or written anew. */
  readonly vouched_seq: number;
  /** Records whose personal part was dropped. */
  readonly erased: number;
}

export interface TrailReport {
  readonly ok: boolean;
  readonly records: number;
  readonly spools: readonly SpoolReport[];
  /** In the order they were met; at most a hundred. */
  readonly problems: readonly TrailProblem[];
}

export interface VerifyOptions {
  /** Heads kept elsewhere (logs, another machine): they show a trail cut together with its `heads.jsonl`. */
  readonly heads?: readonly SignedHead[];
}

const problems_max = 100;

interface Chain {
  records: number;
  seq: number;
  hash: string | undefined;
  erased: number;
  vouched: number;
  /** Numbers that were jumped over, with the problem they made. */
  readonly gaps: { from: number; to: number; problem: number }[];
}

/** Positions that sinks have acknowledged, as the trail's data directory knows them. */
function readPositions(dataDir: string, place: string): SignedHead[] {
  const spools = join(dataDir, 'spools');
  const heads: SignedHead[] = [];
  for (const spool of readdirSync(spools)) {
    for (const name of readdirSync(join(spools, spool))) {
      if (!/^cursor-.*\.json$/.test(name)) continue;
      const head = parseHead(readFileSync(join(spools, spool, name), 'utf8'));
      if (head !== undefined && head.place === place && head.seq > 0) heads.push(head);
    }
  }
  return heads;
}

interface Where {
  readonly file: string;
  readonly line: number;
}

interface Late {
  readonly line: ParsedLine;
  readonly where: Where;
}

class Verification {
  readonly problems: TrailProblem[] = [];
  readonly chains = new Map<string, Chain>();
  readonly #heads = new Map<string, Map<number, SignedHead>>();
  /** Lines that came late, by spool and number: each is taken where its place is. */
  readonly #late = new Map<string, Late>();
  readonly #keys: ReadonlyMap<string, KeyObject>;

  constructor(keys: ReadonlyMap<string, KeyObject>) {
    this.#keys = keys;
  }

  report(
    kind: TrailProblem['kind'],
    where: { file: string; line: number },
    spool: string,
    seq: number,
    detail: string,
  ) {
    if (this.problems.length < problems_max) this.problems.push({ kind, ...where, spool, seq, detail });
  }

  addHead(head: SignedHead | undefined, where: { file: string; line: number }): void {
    if (head === undefined || !headHolds(head, this.#keys)) {
      this.report('head_forged', where, head?.spool ?? '', head?.seq ?? 0, 'A signed position does not hold');
      return;
    }
    if (head.seq === 0) return;
    const known = this.#heads.get(head.spool) ?? new Map<number, SignedHead>();
    this.#heads.set(head.spool, known.set(head.seq, head));
  }

  chain(spool: string): Chain {
    let chain = this.chains.get(spool);
    if (chain === undefined) {
      chain = { records: 0, seq: 0, hash: genesis, erased: 0, vouched: 0, gaps: [] };
      this.chains.set(spool, chain);
    }
    return chain;
  }

  addLate(text: string, where: Where): void {
    const line = this.#parsed(text, where);
    if (line === undefined) return;
    const key = `${line.spool} ${line.seq}`;
    if (this.#late.has(key)) this.report('repeated', where, line.spool, line.seq, 'This number was there already');
    else this.#late.set(key, { line, where });
  }

  line(text: string, where: Where): void {
    const line = this.#parsed(text, where);
    if (line === undefined) return;
    this.#fill(line.spool, line.seq);
    this.#next(line, where);
  }

  /** Takes late lines that follow a chain's end, up to a number. */
  #fill(spool: string, until: number): void {
    const chain = this.chain(spool);
    while (this.#late.size > 0 && chain.seq + 1 < until) {
      const key = `${spool} ${chain.seq + 1}`;
      const late = this.#late.get(key);
      if (late === undefined) return;
      this.#late.delete(key);
      this.#next(late.line, late.where);
    }
  }

  #parsed(text: string, where: Where): ParsedLine | undefined {
    const line = parseLine(text);
    if (line === undefined) this.report('edited', where, '', 0, 'This line is not a record');
    return line;
  }

  #next(line: ParsedLine, where: Where): void {
    const chain = this.chain(line.spool);
    chain.records += 1;
    if (line.commit !== '' && line.personalJson === undefined) chain.erased += 1;
    if (!lineHolds(line)) {
      this.report('edited', where, line.spool, line.seq, 'The record does not match its hash');
    } else if (line.seq === chain.seq + 1) {
      if (chain.hash !== undefined && line.prev !== chain.hash) {
        this.report('edited', where, line.spool, line.seq, 'The record does not follow from the one before it');
      }
    } else if (line.seq > chain.seq + 1) {
      chain.gaps.push({ from: chain.seq + 1, to: line.seq - 1, problem: this.problems.length });
      const missing = line.seq - chain.seq - 1;
      this.report('removed', where, line.spool, chain.seq + 1, `${missing} record(s) missing before this one`);
    } else {
      this.#outOfOrder(chain, line.spool, line.seq, where);
      return;
    }
    const head = this.#heads.get(line.spool)?.get(line.seq);
    if (head !== undefined) {
      if (head.hash !== line.hash)
        this.report('edited', where, line.spool, line.seq, 'A signed position tells another hash');
      else chain.vouched = line.seq;
    }
    chain.seq = line.seq;
    chain.hash = line.hash;
  }

  #outOfOrder(chain: Chain, spool: string, seq: number, where: { file: string; line: number }): void {
    const gap = chain.gaps.find((one) => seq >= one.from && seq <= one.to);
    if (gap === undefined) {
      this.report('repeated', where, spool, seq, 'This number was there already');
      return;
    }
    const problem = this.problems[gap.problem];
    if (problem === undefined) return;
    this.problems[gap.problem] = { ...problem, kind: 'reordered', detail: 'Records are not in their order' };
  }

  finish(file: string): void {
    for (const [spool] of this.chains) this.#fill(spool, Number.POSITIVE_INFINITY);
    for (const { line, where } of this.#late.values()) this.#next(line, where);
    for (const [spool, heads] of this.#heads) {
      const chain = this.chain(spool);
      const last = Math.max(...heads.keys());
      if (last > chain.seq) {
        const detail = `A signed position vouches for ${last} records; the trail ends at ${chain.seq}`;
        this.report('truncated', { file, line: 0 }, spool, chain.seq + 1, detail);
      }
    }
    for (const [spool, chain] of this.chains) {
      if (!this.#heads.has(spool) && chain.records > 0) {
        this.report('unsigned', { file, line: 0 }, spool, 1, 'No signed position vouches for this spool');
      }
    }
  }
}

/**
 * Recomputes the chains of a trail (a directory of a file sink, or one of its files with all records of its spools) and
 * checks them against signed positions: those beside it, and those that `dataDir` (the trail's own data directory:
 * public keys, how far each sink has come) knows. Says where a record was removed, edited, reordered or cut off. A
 * dropped personal part is counted and is no problem.
 */
export async function verifyTrail(path: string, dataDir: string, options: VerifyOptions = {}): Promise<TrailReport> {
  const directory = statSync(path).isDirectory();
  const dir = directory ? path : dirname(path);
  const files = directory ? await listTrail(path) : [basename(path)];
  const verification = new Verification(readPublicKeys(dataDir));

  const headsFile = join(dir, 'heads.jsonl');
  if (statSync(headsFile, { throwIfNoEntry: false }) !== undefined) {
    let number = 0;
    for await (const { lines, torn } of readLines(headsFile)) {
      for (const text of lines) {
        number += 1;
        const head = parseHead(text);
        const sound = head !== undefined && headText(head) === text && !torn;
        verification.addHead(sound ? head : undefined, { file: headsFile, line: number });
      }
    }
  }
  for (const head of readPositions(dataDir, resolve(dir))) verification.addHead(head, { file: dataDir, line: 0 });
  for (const head of options.heads ?? []) verification.addHead(head, { file: '', line: 0 });

  for (const name of directory ? await listLate(path) : []) {
    const file = join(dir, name);
    let number = 0;
    for await (const { lines, torn } of readLines(file)) {
      for (const text of lines) verification.addLate(text, { file, line: ++number });
      if (torn) verification.report('truncated', { file, line: number }, '', 0, 'The last line has no end');
    }
  }
  for (const name of files) {
    const file = join(dir, name);
    let number = 0;
    for await (const { lines, torn } of readLines(file)) {
      for (const text of lines) verification.line(text, { file, line: ++number });
      if (torn) verification.report('truncated', { file, line: number }, '', 0, 'The last line has no end');
    }
  }
  verification.finish(path);

  const spools = [...verification.chains].map(([spool, chain]) => ({
    spool,
    records: chain.records,
    last_seq: chain.seq,
    vouched_seq: chain.vouched,
    erased: chain.erased,
  }));
  return {
    ok: verification.problems.length === 0,
    records: spools.reduce((sum, spool) => sum + spool.records, 0),
    spools,
    problems: verification.problems,
  };
}
