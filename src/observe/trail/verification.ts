import type { KeyObject } from 'node:crypto';
import { basename } from 'node:path';
import { isTrailFile, trailFile } from './file-sink.ts';
import { headHolds, type SignedHead } from './head.ts';
import { genesis, lineHolds, type ParsedLine, parseLine } from './line.ts';
import { due_ms, type Signing, signingOf, type Unsigned, withUnsigned } from './signing.ts';

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

const problems_max = 100;

interface Chain {
  records: number;
  /** The number of the first one that is here; 0 where there is none. */
  first: number;
  seq: number;
  hash: string | undefined;
  erased: number;
  vouched: number;
  unsigned: Unsigned | undefined;
  /** When the first one was appended, Unix ms. */
  first_ms: number | undefined;
  /** Numbers that were jumped over, with the problem they made. */
  readonly gaps: { from: number; to: number; problem: number }[];
}

/** `line` counts from 1; 0 is the place as a whole. */
export interface Where {
  readonly file: string;
  readonly line: number;
}

/** Whether a record may lie in a file of this name: searches look at the files of the days they are about. */
function isOfDay({ at_ms }: ParsedLine, file: string): boolean {
  const name = basename(file);
  return !isTrailFile(name) || name.startsWith(trailFile(at_ms).replace('.jsonl', ''));
}

interface Late {
  readonly line: ParsedLine;
  readonly where: Where;
}

/** Recomputes the chains of a trail, line by line as they are given, against signed positions given before. */
export class Verification {
  readonly problems: TrailProblem[] = [];
  /** Problems that somebody who is writing at this moment cannot have made. */
  lasting = 0;
  readonly chains = new Map<string, Chain>();
  readonly #now_ms: number;
  readonly #rotated: boolean;
  readonly #heads = new Map<string, Map<number, SignedHead>>();
  /** The farthest record that the trail must hold, by spool. */
  readonly #reached = new Map<string, number>();
  /** The newest signature of each spool, Unix ms. */
  readonly #signed_ms = new Map<string, number>();
  /** Lines that came late, by spool and number: each is taken where its place is. */
  readonly #late = new Map<string, Late>();
  readonly #keys: ReadonlyMap<string, KeyObject>;

  /** `rotated`: the beginning was taken away by whom it belongs to. */
  constructor(keys: ReadonlyMap<string, KeyObject>, now_ms: number, rotated: boolean) {
    this.#keys = keys;
    this.#now_ms = now_ms;
    this.#rotated = rotated;
  }

  /** `passing`: as a trail may look for a moment while it is written. */
  report(kind: TrailProblem['kind'], where: Where, spool: string, seq: number, detail: string, passing = false): void {
    if (!passing) this.lasting += 1;
    if (this.problems.length < problems_max) this.problems.push({ kind, ...where, spool, seq, detail });
  }

  /** A position that was signed; `reach`: the trail must come as far. */
  addHead(head: SignedHead | undefined, where: Where, { reach = true, torn = false } = {}): void {
    if (head === undefined || !headHolds(head, this.#keys)) {
      const detail = 'A signed position does not hold';
      this.report('head_forged', where, head?.spool ?? '', head?.seq ?? 0, detail, torn);
      return;
    }
    const { spool, seq, at_ms } = head;
    if (seq === 0) return;
    const known = this.#heads.get(spool) ?? new Map<number, SignedHead>();
    this.#heads.set(spool, known.set(seq, head));
    this.#signed_ms.set(spool, Math.max(at_ms, this.#signed_ms.get(spool) ?? 0));
    if (reach) this.#reached.set(spool, Math.max(seq, this.#reached.get(spool) ?? 0));
  }

  chain(spool: string): Chain {
    let chain = this.chains.get(spool);
    if (chain === undefined) {
      chain = {
        records: 0,
        first: 0,
        seq: 0,
        hash: genesis,
        erased: 0,
        vouched: 0,
        unsigned: undefined,
        first_ms: undefined,
        gaps: [],
      };
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
    if (chain.records === 0) this.#begin(chain, line);
    chain.records += 1;
    if (line.commit !== '' && line.personalJson === undefined) chain.erased += 1;
    const holds = lineHolds(line);
    if (holds && !isOfDay(line, where.file)) {
      this.report('reordered', where, line.spool, line.seq, 'The record lies in the file of another day');
    }
    if (!holds) {
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
    if (head?.hash === line.hash) {
      chain.vouched = line.seq;
      chain.unsigned = undefined;
    } else {
      if (head !== undefined) {
        this.report('edited', where, line.spool, line.seq, 'A signed position tells another hash');
      }
      chain.unsigned = withUnsigned(chain.unsigned, line.at_ms, this.#now_ms);
    }
    chain.seq = line.seq;
    chain.hash = line.hash;
  }

  #begin(chain: Chain, { seq, at_ms }: ParsedLine): void {
    chain.first = seq;
    chain.first_ms = at_ms;
    if (!this.#rotated || seq === 1) return;
    chain.seq = seq - 1;
    chain.hash = undefined;
    // Late ones of that time may still lie here: they are no problem either.
    chain.gaps.push({ from: 1, to: seq - 1, problem: -1 });
  }

  /** A spool of which nothing is here any more: its last signature is older than what the trail begins with. */
  #isGone(spool: string): boolean {
    if (!this.#rotated || this.chain(spool).records > 0) return false;
    const oldest_ms = Math.min(
      ...[...this.chains.values()].map(({ first_ms }) => first_ms ?? Number.POSITIVE_INFINITY),
    );
    return Number.isFinite(oldest_ms) && (this.#signed_ms.get(spool) ?? 0) <= oldest_ms + due_ms;
  }

  #outOfOrder(chain: Chain, spool: string, seq: number, where: Where): void {
    const gap = chain.gaps.find((one) => seq >= one.from && seq <= one.to);
    if (gap === undefined) {
      this.report('repeated', where, spool, seq, 'This number was there already');
      return;
    }
    const problem = this.problems[gap.problem];
    if (problem === undefined) return;
    this.problems[gap.problem] = { ...problem, kind: 'reordered', detail: 'Records are not in their order' };
  }

  /** Once all lines are there. `ids`: the spools there are, where that is known. */
  finish(file: string, ids: ReadonlySet<string> | undefined): void {
    for (const [spool] of this.chains) this.#fill(spool, Number.POSITIVE_INFINITY);
    for (const { line, where } of this.#late.values()) this.#next(line, where);
    for (const [spool, last] of this.#reached) {
      const chain = this.chain(spool);
      if (last > chain.seq && !this.#isGone(spool)) {
        const detail = `A signed position vouches for ${last} records; the trail ends at ${chain.seq}`;
        this.report('truncated', { file, line: 0 }, spool, chain.seq + 1, detail);
      }
    }
    for (const [spool, chain] of this.chains) {
      const overdue = chain.unsigned !== undefined && this.signing(spool) === 'overdue';
      const unknown = chain.records > 0 && !this.#heads.has(spool) && ids?.has(spool) === false;
      if (!overdue && !unknown) continue;
      const detail = this.#heads.has(spool)
        ? `No signed position vouches for the last ${chain.unsigned?.count} records, though several were due`
        : `No signed position vouches for this spool${unknown ? ', and the data directory knows none of its name' : ''}`;
      this.report('unsigned', { file, line: 0 }, spool, chain.vouched + 1, detail, !unknown);
    }
  }

  signing(spool: string): Signing {
    return signingOf(this.chain(spool).unsigned, this.#signed_ms.get(spool), this.#now_ms);
  }

  /** A sink that has come somewhere leaves positions beside its records: where there are none of a spool, they were taken away. */
  missBeside(spools: ReadonlySet<string>, reached: readonly SignedHead[], file: string): void {
    for (const { spool, seq } of reached) {
      const { first_ms } = this.chain(spool);
      if (spools.has(spool) || first_ms === undefined || this.#now_ms - first_ms <= due_ms) continue;
      const detail = `The signed positions of this spool are gone from here; the data directory knows one, of record ${seq}`;
      this.report('unsigned', { file, line: 0 }, spool, seq, detail, true);
    }
  }
}
