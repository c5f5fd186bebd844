import { statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { AuditRecord } from '../record.ts';
import { listLate, listTrail, trailFile } from './file-sink.ts';
import { openKeys } from './keys.ts';
import { type ParsedLine, parseLine, readableRecord } from './line.ts';
import { readLines } from './read-lines.ts';
import { SubjectReader } from './subjects.ts';

/** What to look for; every field given must fit. Times are Unix ms, `until` exclusive. */
export interface QueryFilter {
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  readonly organization?: string | undefined;
  readonly team?: string | undefined;
  readonly user?: string | undefined;
  /** A decision (`deny`), an ending (`denied`, `lost`), or what is of no exchange (`admin`, `alert`, `decision`). */
  readonly decision?: string | undefined;
  /** Asked for or used. */
  readonly model?: string | undefined;
  readonly exchange?: string | undefined;
  readonly limit?: number | undefined;
}

export interface QueriedRecord {
  readonly spool: string;
  readonly seq: number;
  readonly at_ms: number;
  readonly hash: string;
  readonly record: AuditRecord;
  /** Whether the personal part can no longer be read (erased), or cannot be read here. */
  readonly sealed: boolean;
}

/** Whether a record fits, its user aside. */
export function fits(record: AuditRecord, filter: QueryFilter): boolean {
  if (filter.since !== undefined && record.time_ms < filter.since) return false;
  if (filter.until !== undefined && record.time_ms >= filter.until) return false;
  if (filter.organization !== undefined && record.caller.organization !== filter.organization) return false;
  if (filter.team !== undefined && record.caller.team !== filter.team) return false;
  if (filter.exchange !== undefined && record.exchange !== filter.exchange) return false;
  if (filter.model !== undefined && record.model_asked !== filter.model && record.model_used !== filter.model)
    return false;
  if (filter.decision !== undefined) {
    const { request, response } = record.decision;
    if (![record.kind ?? record.ending, request?.decision, response?.decision].includes(filter.decision)) return false;
  }
  return true;
}

function withPersonal(line: ParsedLine, record: AuditRecord, subjects: SubjectReader | undefined): QueriedRecord {
  const { spool, seq, at_ms, hash } = line;
  const opened = line.personalJson === undefined ? undefined : subjects?.open(line.personalJson);
  if (opened === undefined) return { spool, seq, at_ms, hash, record, sealed: line.commit !== '' };
  const { facts, ...who } = opened.who;
  return {
    spool,
    seq,
    at_ms,
    hash,
    sealed: false,
    record: {
      ...record,
      caller: { ...record.caller, ...who },
      facts: { ...record.facts, ...facts },
      ...(opened.content === undefined ? {} : { content: JSON.parse(opened.content) as AuditRecord['content'] }),
    },
  };
}

/**
 * Records of a file sink's trail (a directory or one file), oldest first; with a `limit` the newest that fit. With
 * `dataDir` the personal parts whose keys still exist are read and `user` can be asked for; without it they stay sealed
 * and no record fits a user.
 */
export async function* queryTrail(path: string, filter: QueryFilter, dataDir?: string): AsyncGenerator<QueriedRecord> {
  const keys = dataDir === undefined ? undefined : openKeys(dataDir);
  const subjects = keys === undefined ? undefined : new SubjectReader(keys.dir, keys.textHash);
  const ids = filter.user === undefined ? undefined : (subjects?.idsOf(`user ${filter.user}`) ?? new Set<string>());
  const directory = statSync(path).isDirectory();
  const dir = directory ? path : dirname(path);
  // A record is appended after its exchange was accepted, so earlier files hold nothing of `since`.
  const first = filter.since === undefined ? '' : trailFile(filter.since);
  const all = directory ? [...(await listTrail(path)), ...(await listLate(path))].sort() : [basename(path)];
  const files = directory ? all.filter((name) => name >= first.replace('.jsonl', '-late.jsonl')) : all;
  const fitting = (name: string) => fittingIn(join(dir, name), filter, ids, subjects);
  if (filter.limit === undefined) {
    for (const name of files) yield* fitting(name);
    return;
  }
  let newest: QueriedRecord[] = [];
  for (const name of files.reverse()) {
    if (newest.length >= filter.limit) break;
    newest = [...(await lastOf(fitting(name), filter.limit - newest.length)), ...newest];
  }
  yield* newest;
}

async function* fittingIn(
  file: string,
  filter: QueryFilter,
  ids: ReadonlySet<string> | undefined,
  subjects: SubjectReader | undefined,
): AsyncGenerator<QueriedRecord> {
  for await (const { lines } of readLines(file)) {
    for (const text of lines) {
      const line = parseLine(text);
      if (line === undefined) continue;
      if (ids !== undefined && !ids.has(subjectOf(line))) continue;
      const record = readableRecord(line);
      if (record !== undefined && fits(record, filter)) yield withPersonal(line, record, subjects);
    }
  }
}

async function lastOf<T>(items: AsyncIterable<T>, count: number): Promise<T[]> {
  const last: T[] = [];
  for await (const item of items) {
    last.push(item);
    // Thrown away in halves, so that a long file costs no shift for each of its lines.
    if (last.length >= 2 * count) last.splice(0, last.length - count);
  }
  return last.slice(Math.max(0, last.length - count));
}

function subjectOf(line: ParsedLine): string {
  return /^\{"subject":"([0-9a-f]+)"/.exec(line.personalJson ?? '')?.[1] ?? '';
}
