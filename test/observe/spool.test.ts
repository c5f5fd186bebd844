import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type AuditRecord, openSpool, type Spool, SpoolUnavailable } from '../../src/observe/index.ts';
import { genesis, lineHolds, type ParsedLine, parseLine, recordOf } from '../../src/observe/trail/line.ts';
import { listSegments, segmentFile, type WriteSync } from '../../src/observe/trail/segment.ts';
import { SubjectReader } from '../../src/observe/trail/subjects.ts';
import { crash, runProgram } from './program.ts';
import { intent, record, temporary, until } from './records.ts';

function open(
  path: string,
  more: { write?: WriteSync; segment_bytes_max?: number; reserve_bytes?: number; clock?: () => number } = {},
): Spool {
  const spool = openSpool({
    path,
    spoolId: 'one',
    fsync: 'group',
    segment_bytes_max: 16 << 20,
    reserve_bytes: 16_384,
    clock: Date.now,
    ...more,
  });
  onTestFinished(() => spool.close());
  return spool;
}

/** Whether a file can be made that takes lines and lets none be taken back. */
const appendOnly = (() => {
  const dir = mkdtempSync(join(tmpdir(), 'append-'));
  const file = join(dir, 'file');
  writeFileSync(file, '');
  const can = spawnSync('chattr', ['+a', file], { stdio: 'ignore' }).status === 0;
  if (can) spawnSync('chattr', ['-a', file]);
  rmSync(dir, { recursive: true });
  return can;
})();

/** The records that lie in a spool, with their chain checked. */
function read(dir: string): { lines: ParsedLine[]; records: AuditRecord[] } {
  const lines: ParsedLine[] = [];
  let prev = genesis;
  for (const number of listSegments(dir)) {
    for (const text of readFileSync(segmentFile(dir, number), 'utf8').split('\n')) {
      if (!text.startsWith('{"v":1')) continue;
      const line = parseLine(text);
      expect(line, text).toBeDefined();
      expect(lineHolds(line!)).toBe(true);
      expect(line!.prev).toBe(prev);
      expect(line!.seq).toBe(lines.length + 1);
      prev = line!.hash;
      lines.push(line!);
    }
  }
  return { lines, records: lines.map(recordOf) };
}

describe('a spool', () => {
  test('keeps one record for each exchange, chained', async () => {
    const spool = open(temporary());
    await Promise.all(['a', 'b', 'c'].map((id) => spool.begin(intent(id))));
    await Promise.all(['b', 'a', 'c'].map((id) => spool.end(record(id))));
    expect(read(spool.dir).records.map((one) => one.exchange)).toEqual(['b', 'a', 'c']);
  });

  test('writes the intents of one turn at once, with the records of that turn, and none goes on before', async () => {
    const writes: string[] = [];
    const spool = open(temporary(), {
      write: (fd, bytes, offset, length) => {
        writes.push(Buffer.from(bytes).toString('utf8', offset, offset + length));
        return writeSync(fd, bytes, offset, length);
      },
    });
    await spool.begin(intent('a'));
    writes.length = 0;
    const ended = spool.end(record('a'));
    let onDisk = 0;
    const begun = ['b', 'c', 'd'].map((id) =>
      spool.begin(intent(id)).then(() => {
        expect(readFileSync(segmentFile(spool.dir, 1), 'utf8')).toContain(`{"begin":{"exchange":"${id}"`);
        onDisk += 1;
      }),
    );
    expect(writes).toEqual([]);
    await Promise.all([...begun, ended]);
    expect(onDisk).toBe(3);
    expect(writes).toHaveLength(1);
    expect(writes[0]?.split('\n').map((line) => line.slice(0, 7))).toEqual([
      ...['{"begin', '{"begin', '{"begin'],
      '{"v":1,',
      '',
    ]);
  });

  test('does not make a call that is alone wait for anything but its write', async () => {
    const spool = open(temporary());
    const order: string[] = [];
    setImmediate(() => order.push('the next turn'));
    await spool.begin(intent('a')).then(() => order.push('begun'));
    await new Promise((later) => setImmediate(later));
    expect(order).toEqual(['begun', 'the next turn']);
  });

  test('records a call that was refused before it began', async () => {
    const spool = open(temporary());
    await spool.end(record('denied', { ending: 'denied' }));
    expect(read(spool.dir).records).toMatchObject([{ exchange: 'denied', ending: 'denied' }]);
  });

  test('ends an exchange once, however often it is told', async () => {
    const spool = open(temporary());
    await spool.begin(intent('a'));
    await spool.end(record('a'));
    await spool.end(record('a', { ending: 'failed' }));
    expect(read(spool.dir).records).toMatchObject([{ exchange: 'a', ending: 'complete' }]);
  });

  test("is one owner's alone", () => {
    const path = temporary();
    open(path);
    expect(() => open(path)).toThrow(/only one process may open it/);
  });

  test('turns an intent without an end into a record that says lost, once', () => {
    const path = temporary();
    const spool = open(path);
    void spool.begin(intent('a', { held_nusd: 77 }));
    void spool.begin(intent('b'));
    void spool.end(record('b'));
    spool.close();
    for (let times = 0; times < 3; times++) open(path).close();
    expect(read(spool.dir).records).toMatchObject([
      { exchange: 'b', ending: 'complete' },
      { exchange: 'a', ending: 'lost', cost_nusd: 77, cost_estimated: true, provider: 'openai' },
    ]);
  });

  test('carries live exchanges from segment to segment', async () => {
    const path = temporary();
    const spool = open(path, { segment_bytes_max: 6000 });
    await spool.begin(intent('long'));
    for (let count = 0; count < 40; count++) {
      await spool.begin(intent(`short-${count}`));
      await spool.end(record(`short-${count}`));
    }
    const segments = listSegments(spool.dir);
    expect(segments.length).toBeGreaterThan(5);
    spool.removeBefore(segments.at(-1)!);
    await until(() => listSegments(spool.dir)[0] === segments.at(-1));
    spool.close();
    const again = open(path);
    expect(again.found.lost).toBe(1);
    const last = readFileSync(segmentFile(again.dir, again.current.number), 'utf8');
    expect(last).toContain('"ending":"lost"');
  });

  test('removes old segments on the side, and a directory that is gone by then harms nobody', async () => {
    const thrown: unknown[] = [];
    const hear = (error: unknown): void => void thrown.push(error);
    process.on('uncaughtException', hear);
    onTestFinished(() => void process.off('uncaughtException', hear));
    const spool = open(temporary(), { segment_bytes_max: 3000 });
    for (let count = 0; count < 10; count++) await spool.end(record(`x${count}`));
    const last = listSegments(spool.dir).at(-1)!;
    expect(last).toBeGreaterThan(2);
    spool.removeBefore(last);
    spool.close();
    rmSync(spool.dir, { recursive: true });
    await new Promise((later) => setTimeout(later, 50));
    expect(thrown).toEqual([]);
    expect(spool.state.bytes).toBeGreaterThan(0);
  });

  test('cuts a torn last line and goes on with the chain, wherever it was torn', () => {
    const path = temporary();
    const spool = open(path);
    for (const id of ['a', 'b', 'c']) void spool.begin(intent(id));
    for (const id of ['a', 'b', 'c']) void spool.end(record(id));
    spool.close();
    const file = segmentFile(spool.dir, 1);
    const whole = readFileSync(file);
    const starts = [...whole.toString().matchAll(/\n(?=\{)/g)].map((match) => match.index + 1);
    fc.assert(
      fc.property(fc.integer({ min: starts[0]!, max: whole.length - 1 }), (length) => {
        writeFileSync(file, whole);
        truncateSync(file, length);
        const begun = starts.filter((start) => start <= length).length;
        open(path).close();
        const { records } = read(spool.dir);
        // Every exchange whose begin is whole has its one record: its own, or one that says lost.
        const ids = records.map((one) => one.exchange).sort();
        expect(ids).toEqual(['a', 'b', 'c'].slice(0, Math.min(3, begun - 1)));
      }),
      { numRuns: 60 },
    );
  });

  test('loses one record, and none of those behind it, where a disk changed a line of what it wrote last', async () => {
    const path = temporary();
    const spool = open(path);
    const caller = Object.freeze({ ...intent('').caller });
    for (let at = 0; at < 6; at += 1) {
      void spool.begin(intent(`x${at}`, { caller }));
      if (at !== 4) void spool.end(record(`x${at}`));
      spool.flush();
    }
    spool.close();
    const file = segmentFile(spool.dir, 1);
    const text = readFileSync(file, 'utf8');
    // The record of x1; the intent of x0, which others say they are like; the intent of x4, which has no record.
    expect(text).toContain('{"like":1,"exchange":"x4"');
    for (const [from, to, seqs, lost] of [
      ['"seq":2,', '"seq":x,', [1, 3, 4, 5, 6, 7], ['x1', 'x4']],
      ['"seq":2,', '"seq":3,', [1, 3, 4, 5, 6, 7], ['x1', 'x4']],
      ['{"begin":', '{"begun":', [1, 2, 3, 4, 5], []],
      ['{"like":1,"exchange":"x4"', '{"like":1,"exchange":#x4"', [1, 2, 3, 4, 5], []],
      ['{"segment":1,', '{"segment":#,', [1, 2, 3, 4, 5, 6], ['x4']],
    ] as const) {
      writeFileSync(file, text.replace(from, to));
      const next = open(path);
      expect(next.found, to).toMatchObject({ lost: lost.length, cut_bytes: 0, missing: 0 });
      next.close();
      const sound = readFileSync(file, 'utf8')
        .split('\n')
        .flatMap((one) => parseLine(one) ?? [])
        .filter(lineHolds);
      expect(sound.map(({ seq }) => seq)).toEqual(seqs);
      expect(sound.map(recordOf).flatMap(({ ending, exchange }) => (ending === 'lost' ? exchange : []))).toEqual(lost);
      const [last, before] = [sound.at(-1), sound.at(-2)];
      expect(last?.prev).toBe(before?.hash);
    }
  });

  test('throws nothing away that does not hold, however often that comes', async () => {
    const path = temporary();
    const spoiled = (name: string): void => {
      const spool = open(path);
      for (const id of [`${name}1`, `${name}2`]) void spool.end(record(id));
      spool.close();
      const file = segmentFile(spool.dir, 1);
      const spoil = (text: string, at: number): string =>
        text.replace(`"exchange":"${name}${at}"`, `"exchange":"${name}X${at}"`);
      writeFileSync(file, spoil(spoil(readFileSync(file, 'utf8'), 1), 2));
    };
    for (const name of ['a', 'b', 'c']) spoiled(name);
    const { dir, found } = open(path);
    expect(found.cut_bytes).toBeGreaterThan(1000);
    const kept = readdirSync(dir).filter((name) => name.includes('torn'));
    const text = kept.map((name) => readFileSync(join(dir, name), 'utf8')).join('');
    for (const name of ['aX1', 'aX2', 'bX1', 'bX2', 'cX1', 'cX2']) expect(text).toContain(`"exchange":"${name}"`);
  });

  test('never takes back a number that a signed position has seen', async () => {
    const path = temporary();
    const spool = open(path);
    for (const id of ['a', 'b']) void spool.end(record(id));
    spool.close();
    const { lines } = read(spool.dir);
    const head = {
      spool: spool.id,
      seq: 2,
      hash: lines[1]!.hash,
      at_ms: 1,
      sink: 'file',
      place: '',
      key: 'k',
      sig: 's',
    };
    writeFileSync(join(spool.dir, 'cursor-file.json'), JSON.stringify(head));
    const file = segmentFile(spool.dir, 1);
    truncateSync(file, readFileSync(file).lastIndexOf('{"v":1'));
    const again = open(path);
    expect(again.found).toMatchObject({ missing: 1 });
    await again.end(record('c'));
    const last = parseLine(
      readFileSync(segmentFile(again.dir, again.current.number), 'utf8').trim().split('\n').at(-1)!,
    );
    expect(last).toMatchObject({ seq: 3, prev: lines[1]!.hash });
  });

  test('a second spool in a wiped place has another name', () => {
    const path = temporary();
    const spool = open(path);
    spool.close();
    rmSync(spool.dir, { recursive: true });
    expect(open(path).id).not.toBe(spool.id);
  });
});

describe('personal data', () => {
  const person = { user: 'ann', email: 'ann@example.com', ip: '10.0.0.7' };

  test('is nowhere in the open part, wherever it came in', async () => {
    const spool = open(temporary());
    await spool.begin(intent('a', { caller: { team: 'research', ...person } }));
    await spool.end(
      record('a', {
        caller: { team: 'research', ...person },
        facts: {
          'user.id': 'ann',
          'user.email': 'ann@example.com',
          'request.ip': '10.0.0.7',
          'metadata.note': 'call ann@example.com',
          'llm.prompt': 'my name is Ann Smith',
          'team.tier': 'pro',
        },
        decision: {
          request: {
            decision: 'deny',
            rules: [],
            reasons: ['ann@example.com may not do this'],
            obligations: [],
            shadowed: [],
            unable: [],
            warnings: [],
          },
        },
        content: { form: 'redacted', request: 'Ann asks [email]', reply: 'hello Ann' },
      }),
    );
    const text = readFileSync(segmentFile(spool.dir, 1), 'utf8');
    for (const word of ['ann@', '10.0.0.7', 'Smith', 'hello Ann', '"ann"']) expect(text).not.toContain(word);
    const { records } = read(spool.dir);
    expect(records[0]?.facts).toEqual({
      'llm.prompt': expect.stringMatching(/^hmac:[0-9a-f]{64}$/),
      'team.tier': 'pro',
    });
    expect(records[0]?.decision.request?.reasons).toEqual(['[person] may not do this']);
  });

  const said = (reason: string): AuditRecord['decision'] => ({
    request: {
      ...{ decision: 'deny', rules: [], reasons: [reason], obligations: [], shadowed: [], unable: [] },
      warnings: [`so it is: ${reason}`],
    },
  });

  test('is quoted by no reason, whatever a caller filled in freely', async () => {
    const spool = open(temporary());
    const facts = {
      'metadata.customer': 'Jane\u200b Roe',
      'metadata.number': 4711,
      'request.userAgent': `Janes Browser ${'x'.repeat(300)}`,
      'metadata.of': ['Ann Smith', 'Roe & Sons'],
    };
    const reason = `Jane  Roe, 4711, Ann Smith, Roe & Sons: not with Janes Browser ${'x'.repeat(186)}...`;
    await spool.end(record('a', { caller: { key: 'k', ...person }, facts, decision: said(reason) }));
    const text = readFileSync(segmentFile(spool.dir, 1), 'utf8');
    for (const word of ['Jane', '4711', 'Smith', 'Roe', 'Browser']) expect(text).not.toContain(word);
    expect(read(spool.dir).records[0]?.decision.request?.reasons).toEqual([
      '[person], [person], [person]: not with [person]...',
    ]);
  });

  test('is quoted by no reason that is cut, not even in part', async () => {
    const spool = open(temporary());
    const reason = `${'r'.repeat(92)} ann@example.com`;
    const route = 'r'.repeat(40_000);
    await spool.end(record('a', { route, caller: { key: 'k', ...person }, decision: said(reason) }));
    const { records } = read(spool.dir);
    expect(records[0]?.trimmed).toBe(true);
    expect(records[0]?.decision.request?.reasons).toEqual([`${'r'.repeat(92)} [person...`]);
  });

  test('is in no record whose sealed part could not be made', async () => {
    const path = temporary();
    const spool = open(path);
    // No key can be made where its file should be.
    mkdirSync(join(path, 'keys', 'subjects-one.jsonl'));
    const facts = { 'metadata.customer': 'Jane Roe' };
    await spool.end(
      record('a', { caller: { key: 'k', ...person }, facts, decision: said('ann@example.com may not for Jane Roe') }),
    );
    const text = readFileSync(segmentFile(spool.dir, 1), 'utf8');
    for (const word of ['ann@', 'Jane']) expect(text).not.toContain(word);
    expect(read(spool.dir).records[0]).toMatchObject({ exchange: 'a', trimmed: true });
  });

  test('a record never grows without bound: its lists are cut and it says so', async () => {
    const spool = open(temporary());
    const findings = Array.from({ length: 5000 }, (_, at) => ({
      type: 'email',
      place: `messages.${at}.content`,
      start: 0,
      end: 9,
      score: 1,
      view: 'plain',
    }));
    await spool.end(record('a', { rails: [{ rail: 'pii', on: 'request', outcome: 'findings', findings }] }));
    const { lines, records } = read(spool.dir);
    expect(lines[0]!.line.length).toBeLessThan(8192);
    expect(records[0]).toMatchObject({
      trimmed: true,
      cost_nusd: 85_500,
      rails: [{ rail: 'pii', outcome: 'findings' }],
    });
  });

  test('nor does what is sealed of it: what a caller filled in at length is kept as its hash', async () => {
    const path = temporary();
    const spool = open(path);
    const filled = { 'metadata.note': 'long '.repeat(100_000), 'metadata.more': { a: Array(90_000).fill(1) } };
    const facts = { ...filled, 'metadata.kind': 'test', 'request.headers': { 'x-a': 'b'.repeat(2000) } };
    await spool.end(record('a', { facts }));
    await spool.end(record('b', { facts: { ...facts, ...{ 'metadata.note': 'short', 'metadata.more': 1 } } }));
    const { lines, records } = read(spool.dir);
    expect(lines[0]!.line.length).toBeLessThan(32_768);
    expect(records.map(({ trimmed }) => trimmed)).toEqual([true, undefined]);
    const { keys } = spool;
    const subjects = new SubjectReader(keys.dir, keys.textHash);
    expect(lines.map(({ personalJson = '' }) => subjects.open(personalJson)?.who.facts)).toEqual([
      {
        'metadata.note': `hmac:${keys.textHash(filled['metadata.note'])}`,
        'metadata.more': `hmac:${keys.textHash(JSON.stringify(filled['metadata.more']))}`,
        'metadata.kind': 'test',
        'request.headers': `hmac:${keys.textHash(JSON.stringify(facts['request.headers']))}`,
      },
      {
        'metadata.note': 'short',
        'metadata.more': 1,
        'metadata.kind': 'test',
        'request.headers': facts['request.headers'],
      },
    ]);
  });
});

interface SmallDisk {
  readonly path: string;
  readonly write?: WriteSync;
  /** Something else takes what is left. */
  fill(): void;
}

/** A disk of 200 KB, where this process may mount one; otherwise one that fails the same way. */
function smallDisk(): SmallDisk {
  const path = temporary();
  try {
    const disk = join(path, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=200k', 'tmpfs', disk], { stdio: 'ignore' });
    onTestFinished(() => void execFileSync('umount', ['-l', disk]));
    const fill = (): void => {
      try {
        for (;;) appendFileSync(join(disk, 'ballast'), Buffer.alloc(512, 1));
      } catch {
        // Full to the last byte.
      }
    };
    return { path: disk, fill };
  } catch {
    const room = (): number =>
      readdirSync(path, { recursive: true, withFileTypes: true })
        .filter((one) => one.isFile())
        .reduce((left, one) => left - readFileSync(join(one.parentPath, one.name)).length, 200_000);
    const write: WriteSync = (fd, bytes, offset, length) => {
      const left = room();
      if (left <= 0) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
      return writeSync(fd, bytes, offset, Math.min(length, left));
    };
    return { path, write, fill: () => appendFileSync(join(path, 'ballast'), Buffer.alloc(Math.max(0, room()), 1)) };
  }
}

describe('a full disk', () => {
  test('refuses new exchanges; live ones still end, each with its record; space brings it back', async () => {
    const disk = smallDisk();
    let now = 1_000_000;
    const states: boolean[] = [];
    const spool = openSpool({
      path: disk.path,
      ...(disk.write === undefined ? {} : { write: disk.write }),
      spoolId: 'one',
      fsync: 'group',
      segment_bytes_max: 16 << 20,
      reserve_bytes: 8192,
      clock: () => now,
      onState: (accepting) => states.push(accepting),
    });
    onTestFinished(() => spool.close());
    const begun: string[] = [];
    const beginning = async (): Promise<void> => {
      for (let count = 0; count < 1000; count++) {
        await spool.begin(intent(`live-${count}`));
        begun.push(`live-${count}`);
      }
    };
    await expect(beginning()).rejects.toThrow(SpoolUnavailable);
    expect(begun.length).toBeGreaterThan(5);
    disk.fill();
    await expect(spool.begin(intent('refused'))).rejects.toThrow(SpoolUnavailable);
    await spool.end(record('refused', { ending: 'failed' }));
    expect(spool.state.unrecorded).toBe(1);
    for (const id of begun) await spool.end(record(id));
    expect(read(spool.dir).records.map((one) => one.exchange)).toEqual(begun);
    expect(spool.state).toMatchObject({ accepting: false, live: 0 });
    disk.fill();
    now += 5000;
    await expect(spool.begin(intent('still refused'))).rejects.toThrow(SpoolUnavailable);
    rmSync(join(disk.path, 'ballast'));
    now += 5000;
    await spool.begin(intent('welcome'));
    expect(states).toEqual([false, true]);
    // The call that was refused is recorded as well, now that there is room.
    await until(() => read(spool.dir).records.length === begun.length + 1);
    expect(read(spool.dir).records.at(-1)).toMatchObject({ exchange: 'refused', ending: 'failed' });
    expect(spool.state.unrecorded).toBe(0);
  });

  test('keeps in memory what a broken disk does not take, and writes it when it can', async () => {
    let broken = false;
    const spool = open(temporary(), {
      write: (fd, bytes, offset, length) => {
        if (broken) throw Object.assign(new Error('EIO'), { code: 'EIO' });
        return writeSync(fd, bytes, offset, length);
      },
    });
    await spool.begin(intent('a'));
    broken = true;
    await spool.end(record('a'));
    expect(read(spool.dir).records).toEqual([]);
    const refused = ['b', 'c'].map((id) => expect(spool.begin(intent(id))).rejects.toThrow(SpoolUnavailable));
    await Promise.all(refused);
    expect(spool.state.live).toBe(0);
    broken = false;
    await until(() => read(spool.dir).records.length === 1);
    expect(read(spool.dir).records).toMatchObject([{ exchange: 'a', ending: 'complete' }]);
  });

  test('records refused calls once there is room, also at its end, and tells how many have no record', async () => {
    let broken = true;
    const told: number[] = [];
    const session = async (calls: number, room: boolean): Promise<Spool> => {
      broken = false;
      const spool = openSpool({
        path,
        spoolId: 'one',
        fsync: 'group',
        segment_bytes_max: 16 << 20,
        reserve_bytes: 8192,
        clock: () => 1_000_000,
        write: (fd, bytes, offset, length) => {
          if (broken) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
          return writeSync(fd, bytes, offset, length);
        },
        onGivenUp: (count) => told.push(count),
      });
      broken = true;
      await expect(spool.begin(intent('a'))).rejects.toThrow(SpoolUnavailable);
      for (let at = 0; at < calls; at += 1) void spool.end(record(`${calls}-${at}`, { ending: 'denied' }));
      broken = !room;
      spool.close();
      return spool;
    };
    const path = temporary();
    const { dir } = await session(3, true);
    expect(read(dir).records.map(({ exchange }) => exchange)).toEqual(['3-0', '3-1', '3-2']);
    await session(5, false);
    expect([read(dir).records.length, told]).toEqual([3, [5]]);
    await session(4100, true);
    expect([read(dir).records.length, told]).toEqual([3 + 4096, [5, 4]]);
  });

  test('takes exchanges again as soon as it can, though the clock was put back meanwhile', async () => {
    let now = Date.now();
    let broken = false;
    const write: WriteSync = (fd, bytes, offset, length) => {
      if (broken) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
      return writeSync(fd, bytes, offset, length);
    };
    const spool = open(temporary(), { write, clock: () => now });
    broken = true;
    for (const id of ['a', 'b']) {
      await expect(spool.begin(intent(id))).rejects.toThrow(SpoolUnavailable);
      now += 2000;
    }
    broken = false;
    now -= 3_600_000;
    await spool.begin(intent('c'));
    expect(spool.state).toMatchObject({ accepting: true, live: 1 });
  });

  test.skipIf(!appendOnly)('writes nothing behind half a line that it could not take back', async () => {
    let half = false;
    let calls = 0;
    const write: WriteSync = (fd, bytes, offset, length) => {
      if (!half) return writeSync(fd, bytes, offset, length);
      calls += 1;
      if (calls % 2 === 0) throw Object.assign(new Error('broken'), { code: 'EIO' });
      return writeSync(fd, bytes, offset, 40);
    };
    const spool = open(temporary(), { write });
    await spool.end(record('a'));
    const file = segmentFile(spool.dir, 1);
    execFileSync('chattr', ['+a', file]);
    onTestFinished(() => void execFileSync('chattr', ['-a', file]));
    half = true;
    await spool.end(record('b'));
    half = false;
    spool.flush();
    execFileSync('chattr', ['-a', file]);
    spool.flush();
    spool.close();
    expect(read(spool.dir).records.map(({ exchange }) => exchange)).toEqual(['a', 'b']);
    expect(open(spool.dir.replace('/spools/one', '')).found).toMatchObject({ lost: 0, cut_bytes: 0 });
  });

  test('lets none of the calls begin whose intents it took half of', async () => {
    let room = Number.POSITIVE_INFINITY;
    const path = temporary();
    const spool = open(path, {
      write: (fd, bytes, offset, length) => {
        if (room === 0) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
        const taken = writeSync(fd, bytes, offset, Math.min(room, length));
        room -= taken;
        return taken;
      },
    });
    await spool.begin(intent('a'));
    room = 700;
    await Promise.all(['b', 'c'].map((id) => expect(spool.begin(intent(id))).rejects.toThrow(SpoolUnavailable)));
    expect(spool.state).toMatchObject({ live: 1, accepting: false });
    room = Number.POSITIVE_INFINITY;
    spool.close();
    expect(open(path).found).toMatchObject({ lost: 1, cut_bytes: 0 });
  });
});

test('kill -9 under load: exactly one record for every exchange that began, and the chain holds', async () => {
  const dir = temporary();
  const [path, journal] = [join(dir, 'data'), join(dir, 'journal')];
  writeFileSync(journal, '');
  for (let run = 0; run < 3; run++) {
    const program = join(import.meta.dirname, 'programs', 'load.ts');
    const child = await runProgram(program, join(dir, 'out'), [path, journal, `run${run}`]);
    await new Promise((ready) => child.stdout!.once('data', ready));
    const begun = (): number => readFileSync(journal, 'utf8').split(`begun run${run}-`).length - 1;
    await until(() => begun() > 60 + 20 * run);
    await new Promise((later) => setTimeout(later, 37 * run));
    await crash(child);
  }
  const last = openSpool({
    path,
    spoolId: 'load',
    fsync: 'group',
    segment_bytes_max: 16 << 20,
    reserve_bytes: 65_536,
    clock: Date.now,
  });
  last.close();
  const said = readFileSync(journal, 'utf8').split('\n').slice(0, -1);
  const begun = said.filter((line) => line.startsWith('begun ')).map((line) => line.slice(6));
  const ended = said.filter((line) => line.startsWith('ended ')).map((line) => line.slice(6));
  const { records } = read(last.dir);
  const endings = new Map<string, string>();
  for (const one of records) {
    expect(endings.has(one.exchange), one.exchange).toBe(false);
    endings.set(one.exchange, one.ending);
  }
  expect(begun.length).toBeGreaterThan(100);
  for (const id of begun) expect(endings.has(id), id).toBe(true);
  for (const id of ended) expect(endings.get(id)).toBe('complete');
  // The five of one turn may have begun without having said so before a kill.
  expect(endings.size - begun.length).toBeLessThanOrEqual(15);
  expect([...endings.values()].filter((ending) => ending === 'lost').length).toBeGreaterThan(0);
});
