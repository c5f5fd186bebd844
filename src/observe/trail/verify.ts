import { statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listLate, listTrail } from './file-sink.ts';
import type { SignedHead } from './head.ts';
import { readPublicKeys } from './keys.ts';
import { headsFile, readBeside, readSpools } from './positions.ts';
import { readLines } from './read-lines.ts';
import type { Signing } from './signing.ts';
import { type TrailProblem, Verification, type Where } from './verification.ts';

export interface SpoolReport {
  readonly spool: string;
  readonly records: number;
  readonly first_seq: number;
  readonly last_seq: number;
  /** Up to here a signed head vouches that nothing was cut off or written anew. */
  readonly vouched_seq: number;
  /** Records after that one. */
  readonly unsigned: number;
  /** Why they are not signed: `overdue` is a problem, the others are none. */
  readonly signing: Signing;
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
  /** Whole days at the beginning were rotated away: that their records are not here is no problem. */
  readonly rotated?: boolean;
  /** Unix ms. */
  readonly now_ms?: number;
}

/** Looks at a trail that is being written, and the pause between them. */
const looks_max = 3;
const pause_ms = 500;
/** What was not written for so long is not being written. */
const writing_ms = 5_000;

/**
 * Recomputes the chains of a trail (a directory of a file sink, or one of its files with all records of its spools) and
 * checks them against signed positions: those beside it, and those that `dataDir` (the trail's own data directory:
 * public keys, how far each sink has come) knows. Says where a record was removed, edited, reordered or cut off, and where
 * a signature is missing that was due; what just came is told as `not_yet` signed. A dropped personal part is counted and
 * is no problem. A trail that is being written is looked at again before something is said that may be over in a moment.
 */
export async function verifyTrail(path: string, dataDir: string, options: VerifyOptions = {}): Promise<TrailReport> {
  for (let looks = 1; ; looks += 1) {
    const { report, passing, written_ms } = await look(path, dataDir, options);
    if (!passing || looks === looks_max || Date.now() - written_ms > writing_ms) return report;
    await sleep(pause_ms);
  }
}

interface Look {
  readonly report: TrailReport;
  /** Whether all that was found may be over in a moment. */
  readonly passing: boolean;
  /** When anything of it was written last, Unix ms. */
  readonly written_ms: number;
}

async function look(path: string, dataDir: string, options: VerifyOptions): Promise<Look> {
  const directory = statSync(path).isDirectory();
  const dir = directory ? path : dirname(path);
  const verification = new Verification(
    readPublicKeys(dataDir),
    options.now_ms ?? Date.now(),
    options.rotated ?? false,
  );

  const beside = new Set<string>();
  for await (const { head, torn, ...where } of readBeside(dir)) {
    verification.addHead(head, where, { torn });
    if (head !== undefined && head.seq > 0) beside.add(head.spool);
  }
  const { ids, reached, ends } = readSpools(dataDir, resolve(dir));
  const known = { file: dataDir, line: 0 };
  for (const head of reached) verification.addHead(head, known);
  for (const head of ends) verification.addHead(head, known, { reach: false });
  for (const head of options.heads ?? []) verification.addHead(head, { file: '', line: 0 });

  // Behind the positions: a record that one of them vouches for may lie in a file that was only just begun.
  const files = directory ? await listTrail(path) : [basename(path)];
  for (const name of directory ? await listLate(path) : []) {
    await eachLine(verification, join(dir, name), (text, where) => verification.addLate(text, where));
  }
  for (const name of files) {
    await eachLine(verification, join(dir, name), (text, where) => verification.line(text, where));
  }
  verification.finish(path, ids);
  verification.missBeside(beside, reached, headsFile(dir));
  const { problems, lasting } = verification;
  return {
    report: reportOf(verification),
    passing: problems.length > 0 && lasting === 0,
    written_ms: Math.max(...[...files.map((name) => join(dir, name)), headsFile(dir)].map(writtenAt)),
  };
}

async function eachLine(
  verification: Verification,
  file: string,
  take: (text: string, where: Where) => void,
): Promise<void> {
  let line = 0;
  for await (const { lines, torn } of readLines(file)) {
    for (const text of torn ? [] : lines) take(text, { file, line: ++line });
    if (torn) verification.report('truncated', { file, line: line + 1 }, '', 0, 'The last line has no end', true);
  }
}

function writtenAt(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function reportOf(verification: Verification): TrailReport {
  const { problems, chains } = verification;
  const spools = [...chains].map(([spool, chain]) => ({
    spool,
    records: chain.records,
    first_seq: chain.first,
    last_seq: chain.seq,
    vouched_seq: chain.vouched,
    unsigned: chain.unsigned?.count ?? 0,
    signing: verification.signing(spool),
    erased: chain.erased,
  }));
  return {
    ok: problems.length === 0,
    records: spools.reduce((sum, { records }) => sum + records, 0),
    spools,
    problems,
  };
}
