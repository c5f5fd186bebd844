import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  eraseUser,
  fileSink,
  lateRecords,
  openLog,
  openTrail,
  queryTrail,
  type SignedHead,
  type Sink,
  type SpooledRecord,
  type Trail,
  type TrailOptions,
  verifyTrail,
} from '../../src/observe/index.ts';
import { dropPersonal, parseLine } from '../../src/observe/trail/line.ts';
import type { Run } from '../../src/observe/trail/run.ts';
import { openEmbeddedQueue } from '../../src/stores/index.ts';
import { crash, runProgram } from './program.ts';
import { intent, record, temporary, until } from './records.ts';

async function open(dir: string, more: Partial<TrailOptions> = {}): Promise<Trail> {
  const trail = await openTrail({
    path: join(dir, 'data'),
    spoolId: 'one',
    sinks: [fileSink(join(dir, 'audit'))],
    queue: openEmbeddedQueue({ attempts: 2, backoff_ms: 5 }),
    linger_ms: 5,
    retry_ms: 10,
    reserve_bytes: 8192,
    ...more,
  });
  onTestFinished(() => trail.close(0));
  return trail;
}

async function all(dir: string, filter = {}, dataDir: string | undefined = join(dir, 'data')) {
  const found = [];
  for await (const one of queryTrail(join(dir, 'audit'), filter, dataDir)) found.push(one);
  return found;
}

const verify = (dir: string, heads?: SignedHead[]) =>
  verifyTrail(join(dir, 'audit'), join(dir, 'data'), heads === undefined ? {} : { heads });

function trailFiles(dir: string): string[] {
  return readdirSync(join(dir, 'audit'))
    .filter((name) => name.startsWith('audit-'))
    .map((name) => join(dir, 'audit', name));
}

/** A closed trail of a few records, three by ann and the others by bob. */
async function sample(count = 6): Promise<{ dir: string; file: string; text: string }> {
  const dir = temporary();
  const trail = await open(dir);
  for (let at = 0; at < count; at++) {
    const user = at % 2 === 0 ? 'ann' : 'bob';
    const caller = { ...intent('').caller, user, email: `${user}@example.com` };
    void trail.begin(intent(`x${at}`, { caller }));
    await trail.end(record(`x${at}`, { caller }));
  }
  await trail.close();
  const [file = ''] = trailFiles(dir);
  return { dir, file, text: readFileSync(file, 'utf8') };
}

/** A sink that fails while told to, and keeps what it takes. */
function moodySink(): Sink & { broken: boolean; taken: SpooledRecord[]; tries: number } {
  return {
    name: 'moody',
    broken: false,
    taken: [],
    tries: 0,
    async write(batch) {
      this.tries += 1;
      if (this.broken) throw new Error('out of order');
      this.taken.push(...batch);
    },
    async close() {},
  };
}

describe('delivery', () => {
  test('every sink has every record, and the spool is emptied only then', async () => {
    const dir = temporary();
    const moody = moodySink();
    moody.broken = true;
    const trail = await open(dir, { sinks: [fileSink(join(dir, 'audit')), moody], segment_bytes_max: 5000 });
    for (let at = 0; at < 40; at++) {
      void trail.begin(intent(`x${at}`));
      await trail.end(record(`x${at}`));
    }
    await until(() => trail.state().delivered.file === 40 && (trail.state().failed.moody ?? 0) > 0);
    const held = trail.state();
    expect(held.delivered.moody).toBe(0);
    const whole = held.bytes;
    moody.broken = false;
    await until(() => trail.state().delivered.moody === 40);
    await until(() => trail.state().bytes < whole / 3);
    expect(moody.taken.map((one) => one.seq)).toEqual(Array.from({ length: 40 }, (_, at) => at + 1));
    expect(trail.state()).toMatchObject({ spooled: 40, live: 0, accepting: true });
  });

  test('says once that a sink does not take records, and once that it does again', async () => {
    const dir = temporary();
    const moody = moodySink();
    moody.broken = true;
    const said: string[] = [];
    const say = () => {};
    const log = {
      debug: say,
      info: say,
      warn: say,
      error: say,
      fatal: say,
      flush: say,
      child: () => log,
      change: (what: string, state: string) => said.push(`${what} ${state}`),
    };
    const trail = await open(dir, { sinks: [moody], log: log as never });
    await trail.end(record('a'));
    await until(() => moody.tries > 6);
    moody.broken = false;
    await until(() => trail.state().delivered.moody === 1);
    expect(said).toEqual(['sink moody waiting', 'sink moody delivering']);
  });

  test('a head is told to the log once there is a record, and not before', async () => {
    const dir = temporary();
    const lines: string[] = [];
    const log = openLog({ level: 'info', destination: { write: (line: string) => void lines.push(line) } });
    const heads = () => lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'audit head');
    await (await open(dir, { log })).close();
    expect(heads()).toEqual([]);
    const trail = await open(dir, { log });
    await trail.end(record('a'));
    await trail.close();
    expect(heads()).toMatchObject([{ seq: 1 }]);
  });

  test('a restart goes on where the sink stopped; nothing comes twice into the trail', async () => {
    const dir = temporary();
    for (let run = 0; run < 4; run++) {
      const trail = await open(dir);
      for (let at = 0; at < 5; at++) await trail.end(record(`x${run}-${at}`));
      // Without a grace most of it is delivered by the next run.
      await trail.close(run === 3 ? 5000 : 0);
    }
    const exchanges = (await all(dir)).map((one) => one.record.exchange);
    expect(exchanges).toHaveLength(20);
    expect(new Set(exchanges).size).toBe(20);
    expect(await verify(dir)).toMatchObject({ ok: true, records: 20, problems: [] });
  });

  test('a batch that comes again, whole or in part, is written once', async () => {
    const { dir, text } = await sample();
    const records = text
      .trim()
      .split('\n')
      .map((line) => parseLine(line)!);
    const other = join(dir, 'other');
    await fileSink(other).write(records.slice(0, 4));
    // Each of these is another process: what was written is known from the files alone.
    await fileSink(other).write(records.slice(0, 4));
    await fileSink(other).write(records.slice(2));
    await Promise.all([fileSink(other).write(records), fileSink(other).write(records.slice(3))]);
    expect(readFileSync(join(other, readdirSync(other).find((name) => name.startsWith('audit-'))!), 'utf8')).toBe(text);
  });

  test('records as they lie in memory are written as they are, once, and each to its day', async () => {
    const { dir, text } = await sample();
    const lines = text.trim().split('\n');
    const runOf = (from: number, to: number, last_ms?: number): Run => {
      const records = lines.slice(from - 1, to).map((line) => parseLine(line)!);
      const [first, last] = [records[0]!, records.at(-1)!];
      const bytes = records.map(({ line }) => Buffer.from(`${line}\n`));
      const { spool, at_ms: first_ms } = first;
      return { spool, from, to, hash: last.hash, first_ms, last_ms: last_ms ?? last.at_ms, bytes };
    };
    const other = join(dir, 'other');
    const [sink, another] = [fileSink(other), fileSink(other)];
    await sink.append?.(runOf(1, 2));
    // Others wrote meanwhile, and what comes was there in part, or whole.
    await another.append?.(runOf(1, 4));
    await sink.append?.(runOf(3, 4));
    await sink.append?.(runOf(3, 5));
    // The last of them is said to be of another day: they are looked at one by one.
    await another.append?.(runOf(6, 6, parseLine(lines[5]!)!.at_ms + 86_400_000));
    expect(readFileSync(join(other, readdirSync(other).find((name) => name.startsWith('audit-'))!), 'utf8')).toBe(text);
  });

  test('a sink that keeps pace gets few batches, though there are always records for it', async () => {
    const taken: number[] = [];
    const slow: Sink = {
      name: 'slow',
      write: (batch) => {
        taken.push(batch.length);
        return new Promise((later) => setTimeout(later, 5));
      },
      close: () => Promise.resolve(),
    };
    const trail = await open(temporary(), { sinks: [slow], linger_ms: 100 });
    const started = performance.now();
    let made = 0;
    while (performance.now() - started < 600) {
      void trail.begin(intent(`x${made}`));
      await trail.end(record(`x${made}`));
      made += 1;
      await new Promise((later) => setTimeout(later, 1));
    }
    await trail.close();
    expect(taken.reduce((sum, count) => sum + count, 0)).toBe(made);
    // One for each pause of 100 ms at the most, and one at the end.
    expect(taken.length).toBeLessThanOrEqual((performance.now() - started) / 100 + 2);
  });

  test('a torn last line of a file is cut, and its record written again', async () => {
    const { dir, text } = await sample();
    const records = text
      .trim()
      .split('\n')
      .map((line) => parseLine(line)!);
    const name = trailFiles(dir)[0]!.split('/').at(-1)!;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: text.length }), async (length) => {
        const other = join(dir, `other-${length}`);
        mkdirSync(other, { recursive: true });
        writeFileSync(join(other, name), text.slice(0, length));
        await fileSink(other).write(records);
        expect(readFileSync(join(other, name), 'utf8')).toBe(text);
      }),
      { numRuns: 40 },
    );
  });

  test('days are files of their own and one chain', async () => {
    const dir = temporary();
    let now = Date.UTC(2026, 10, 21, 23, 59, 59);
    const trail = await open(dir, { clock: () => now });
    for (let at = 0; at < 6; at++) {
      await trail.end(record(`x${at}`));
      now += 40_000_000;
    }
    await trail.close();
    expect(trailFiles(dir).map((file) => file.slice(-16))).toEqual([
      '2026-11-21.jsonl',
      '2026-11-22.jsonl',
      '2026-11-23.jsonl',
      '2026-11-24.jsonl',
    ]);
    expect(await verify(dir)).toMatchObject({ ok: true, records: 6 });
  });

  test('several spools share one trail', async () => {
    const dir = temporary();
    const trails = await Promise.all(
      ['a', 'b', 'c'].map((spoolId) => open(dir, { spoolId, sinks: [fileSink(join(dir, 'audit'))] })),
    );
    for (let at = 0; at < 30; at++) await Promise.all(trails.map((trail, of) => trail.end(record(`${of}-${at}`))));
    await Promise.all(trails.map((trail) => trail.close()));
    const report = await verify(dir);
    expect(report).toMatchObject({ ok: true, records: 90 });
    expect(report.spools.map((spool) => spool.vouched_seq)).toEqual([30, 30, 30]);
  });
});

test('kill -9 in the middle of delivery: the trail has each record exactly once, and holds', async () => {
  const dir = temporary();
  const program = join(import.meta.dirname, 'programs', 'deliver.ts');
  const runs = ['a', 'b', 'c', 'd', 'drain'];
  for (const run of runs) {
    const child = await runProgram(program, join(dir, 'out'), [dir, run]);
    const gone = new Promise((exit) => child.once('exit', exit));
    let said = '';
    const says = (word: string) =>
      new Promise<void>((resolve) => {
        child.stdout!.on('data', (bytes) => {
          said += bytes;
          if (said.includes(word)) resolve();
        });
      });
    if (run === 'drain') {
      expect(await gone).toBe(0);
    } else {
      await says('under way');
      await new Promise((later) => setTimeout(later, 37 * runs.indexOf(run)));
      await crash(child);
    }
  }
  const report = await verify(dir);
  expect(report).toMatchObject({ ok: true, problems: [] });
  const exchanges = (await all(dir)).map((one) => one.record.exchange);
  expect(new Set(exchanges).size).toBe(exchanges.length);
  // Of each run every exchange is there, from its first to its last, with none between them missing.
  for (const run of ['a', 'b', 'c', 'd']) {
    const rounds = exchanges.filter((id) => id.startsWith(`${run}-`)).map((id) => Number(id.split('-')[1]));
    const last = Math.max(...rounds);
    expect(last).toBeGreaterThan(10);
    for (let round = 0; round < last; round++) expect(rounds.filter((one) => one === round)).toHaveLength(3);
  }
}, 120_000);

describe('a verified trail', () => {
  test('an untouched one holds, up to its last record', async () => {
    const { dir } = await sample();
    expect(await verify(dir)).toMatchObject({
      ok: true,
      records: 6,
      spools: [{ last_seq: 6, vouched_seq: 6, erased: 0 }],
    });
  });

  test('an edit of a single byte shows, wherever it is', async () => {
    const { dir, file, text } = await sample(2);
    // The second record has one before it and is vouched for: every byte of it; the first is made in the same way.
    const second = text.indexOf('\n') + 1;
    for (const path of [file, join(dir, 'audit', 'heads.jsonl')]) {
      const whole = readFileSync(path);
      for (let at = 0; at < whole.length; at += path === file && at < second ? 5 : 1) {
        const edited = Buffer.from(whole);
        edited[at] = whole[at]! ^ (1 << (at % 7));
        writeFileSync(path, edited);
        const report = await verify(dir);
        expect(report.ok, `byte ${at} of ${path}: ${whole.toString('utf8', at - 10, at + 10)}`).toBe(false);
      }
      writeFileSync(path, whole);
    }
    expect(text.length).toBeGreaterThan(2000);
    expect((await verify(dir)).ok).toBe(true);
  }, 240_000);

  test('a removed record shows, with its number', async () => {
    const { dir, file, text } = await sample();
    const lines = text.trim().split('\n');
    for (let at = 0; at < lines.length; at++) {
      writeFileSync(file, `${lines.toSpliced(at, 1).join('\n')}\n`);
      const kind = at === lines.length - 1 ? 'truncated' : 'removed';
      expect((await verify(dir)).problems[0]).toMatchObject({ kind, seq: at + 1 });
    }
  });

  test('records in another order show, and a repeated one', async () => {
    const { dir, file, text } = await sample();
    const lines = text.trim().split('\n');
    const swapped = [lines[0], lines[2], lines[1], ...lines.slice(3)];
    writeFileSync(file, `${swapped.join('\n')}\n`);
    expect((await verify(dir)).problems[0]).toMatchObject({ kind: 'reordered', seq: 2, line: 2 });
    writeFileSync(file, `${[...lines, lines[3]].join('\n')}\n`);
    expect((await verify(dir)).problems[0]).toMatchObject({ kind: 'repeated', seq: 4, line: 7 });
  });

  test('a record in the file of another day shows, though all are in their order: a search by time would pass it by', async () => {
    const dir = temporary();
    let now = Date.UTC(2026, 10, 21, 12);
    const trail = await open(dir, { clock: () => now });
    for (let at = 0; at < 4; at++) {
      await trail.end(record(`x${at}`, { time_ms: now }));
      if (at === 1) now += 86_400_000;
    }
    await trail.close();
    const [before = '', after = ''] = trailFiles(dir);
    const lines = [before, after].flatMap((file) => readFileSync(file, 'utf8').split(/(?<=\n)/));
    writeFileSync(before, lines.slice(0, 3).join(''));
    writeFileSync(after, lines.slice(3).join(''));
    expect(await all(dir, { since: now })).toHaveLength(1);
    expect((await verify(dir)).problems).toMatchObject([{ kind: 'reordered', file: before, line: 3, seq: 3 }]);
    writeFileSync(before, lines.slice(0, 1).join(''));
    writeFileSync(after, lines.slice(1).join(''));
    expect((await verify(dir)).problems).toMatchObject([{ kind: 'reordered', file: after, line: 1, seq: 2 }]);
  });

  test('a trail cut anywhere shows, even without the heads beside it', async () => {
    const { dir, file, text } = await sample();
    writeFileSync(join(dir, 'audit', 'heads.jsonl'), '');
    for (let length = 0; length < text.length; length += 97) {
      writeFileSync(file, text.slice(0, length));
      expect((await verify(dir)).ok, String(length)).toBe(false);
    }
  });

  test('a chain written anew, with the right hashes, does not fit the signed heads', async () => {
    const { dir, file } = await sample();
    const forged = temporary();
    // The forger has the program and the records, and not the signing key.
    const trail = await open(forged);
    for (let at = 0; at < 6; at++) await trail.end(record(`x${at}`, { cost_nusd: 1 }));
    await trail.close();
    const spool = parseLine(readFileSync(file, 'utf8').split('\n')[0]!)!.spool;
    const [other = ''] = trailFiles(forged);
    writeFileSync(file, readFileSync(other, 'utf8'));
    expect((await verify(dir)).problems.map((one) => one.kind)).toEqual(
      expect.arrayContaining(['truncated', 'unsigned']),
    );
    writeFileSync(join(dir, 'audit', 'heads.jsonl'), readFileSync(join(forged, 'audit', 'heads.jsonl')));
    expect((await verify(dir)).problems.map((one) => one.kind)).toContain('head_forged');
    expect(spool).toBeTruthy();
  });

  test('a head kept elsewhere shows a trail that was cut together with all that vouched for it', async () => {
    const dir = temporary();
    const trail = await open(dir);
    for (let at = 0; at < 3; at++) await trail.end(record(`x${at}`));
    await until(() => trail.state().delivered.file === 3);
    const before = readFileSync(trailFiles(dir)[0]!, 'utf8');
    await trail.end(record('x3'));
    const kept = trail.head();
    await trail.close();
    writeFileSync(trailFiles(dir)[0]!, before);
    const heads = readFileSync(join(dir, 'audit', 'heads.jsonl'), 'utf8').split('\n');
    writeFileSync(join(dir, 'audit', 'heads.jsonl'), `${heads[0]}\n`);
    const spool = join(dir, 'data', 'spools', 'one');
    writeFileSync(join(spool, 'cursor-file.json'), '');
    expect((await verify(dir, [kept])).problems[0]).toMatchObject({ kind: 'truncated', seq: 4 });
  });
});

describe('erasing a person', () => {
  test('makes their part unreadable and leaves the chain whole', async () => {
    const dir = temporary();
    const trail = await open(dir);
    const of = (user: string) => ({ caller: { ...intent('').caller, user, email: `${user}@example.com` } });
    for (const user of ['ann', 'bob', 'ann']) {
      await trail.end(
        record(`${user}-${Math.random()}`, { ...of(user), content: { form: 'redacted', request: `${user} asks` } }),
      );
    }
    await until(() => trail.state().delivered.file === 3);
    expect(await all(dir, { user: 'ann' })).toHaveLength(2);
    expect((await all(dir, { user: 'ann' }))[0]).toMatchObject({
      sealed: false,
      record: { caller: { user: 'ann', email: 'ann@example.com', ip: '10.0.0.7' }, content: { request: 'ann asks' } },
    });
    expect(trail.erase('ann')).toBe(true);
    expect(trail.erase('nobody')).toBe(false);
    expect(await all(dir, { user: 'ann' })).toEqual([]);
    expect(trail.recent({ user: 'ann' })).toEqual([]);
    const kept = await all(dir);
    expect(kept.map((one) => one.sealed)).toEqual([true, false, true]);
    expect(kept[0]?.record.caller).not.toHaveProperty('user');
    // The person comes back: a new key, which reads nothing of before.
    await trail.end(record('back', of('ann')));
    await trail.close();
    expect((await all(dir, { user: 'ann' })).map((one) => one.record.exchange)).toEqual(['back']);
    expect(await verify(dir)).toMatchObject({ ok: true, records: 4 });
  });

  test('by another process is noticed by memory as well, and of nobody else', async () => {
    const dir = temporary();
    const trail = await open(dir);
    const of = (user: string) => ({ caller: { ...intent('').caller, user, email: `${user}@example.com` } });
    for (const user of ['ann', 'bob']) await trail.end(record(`of-${user}`, of(user)));
    expect(eraseUser(join(dir, 'data'), 'ann')).toBe(true);
    // Back before anybody asked.
    await trail.end(record('other', { caller: { ...of('ann').caller, ip: '10.0.0.8' } }));
    expect(JSON.stringify(trail.recent({ exchange: 'of-ann' }))).not.toMatch(/"ann|ann@|10\.0\.0\.7/);
    expect(trail.recent({ user: 'bob' })).toMatchObject([{ caller: { email: 'bob@example.com' } }]);
    await trail.close();
  });

  test('dropping the personal part of any records leaves the chain whole, and is counted', async () => {
    const { dir, file, text } = await sample();
    const lines = text.trim().split('\n');
    await fc.assert(
      fc.asyncProperty(fc.subarray([0, 1, 2, 3, 4, 5]), async (chosen) => {
        const left = lines.map((line, at) => (chosen.includes(at) ? dropPersonal(parseLine(line)!) : line));
        writeFileSync(file, `${left.join('\n')}\n`);
        const report = await verify(dir);
        expect(report.problems).toEqual([]);
        expect(report.spools[0]?.erased).toBe(chosen.length);
      }),
      { numRuns: 20 },
    );
  });

  test("one person's sealed part does not pass for another's", async () => {
    const { dir, file, text } = await sample();
    const personal = [...text.matchAll(/"personal":(\{[^}]*\})/g)].map((match) => match[1]!);
    expect(new Set(personal).size).toBe(2);
    writeFileSync(file, text.replace(personal[0]!, personal[1]!));
    expect((await verify(dir)).problems[0]).toMatchObject({ kind: 'edited', seq: 1 });
  });
});

describe('a query', () => {
  test('finds by every field, and with a limit the newest', async () => {
    const dir = temporary();
    const trail = await open(dir);
    const noon = Date.UTC(2026, 10, 21, 12);
    for (let at = 0; at < 10; at++) {
      await trail.end(
        record(`x${at}`, {
          time_ms: noon + at * 60_000,
          model_asked: at < 5 ? 'fast' : 'large',
          model_used: at < 5 ? 'gpt-4o-mini' : 'gpt-4o',
          ending: at === 9 ? 'denied' : 'complete',
          caller: { team: at % 2 === 0 ? 'even' : 'odd', user: `user-${at}` },
        }),
      );
    }
    await trail.close();
    const ids = async (filter: object) => (await all(dir, filter)).map((one) => one.record.exchange);
    // What a limit leaves out is the oldest: who looks wants to see what just happened.
    expect(await ids({ team: 'odd', limit: 3 })).toEqual(['x5', 'x7', 'x9']);
    expect(await ids({ limit: 100 })).toHaveLength(10);
    expect(await ids({ model: 'gpt-4o', since: noon + 7 * 60_000 })).toEqual(['x7', 'x8', 'x9']);
    expect(await ids({ until: noon + 2 * 60_000 })).toEqual(['x0', 'x1']);
    expect(await ids({ user: 'user-4' })).toEqual(['x4']);
    expect(await ids({ exchange: 'x6' })).toEqual(['x6']);
    expect(await ids({ decision: 'denied' })).toEqual(['x9']);
    expect(await ids({ decision: 'allow', limit: 1 })).toEqual(['x9']);
    expect(trail.recent({ team: 'even', limit: 2 }).map((one) => one.exchange)).toEqual(['x8', 'x6']);
  });

  test('of what memory holds tells texts by the same keyed hashes as a file, and who it was', async () => {
    const dir = temporary();
    const trail = await open(dir);
    const facts = {
      'llm.prompt': 'my secret plan',
      'rails.pii.redacted': 'my [EMAIL] plan',
      'user.email': 'ann@example.com',
      'request.region': 'eu',
      'llm.toolNames': ['x'.repeat(300)],
    };
    await trail.end(record('told', { facts, caller: { user: 'ann' } }));
    const [told] = trail.recent();
    expect(JSON.stringify(told)).not.toMatch(/plan|xxx/);
    await trail.close();
    const [kept] = await all(dir, { exchange: 'told' });
    expect(told?.facts).toEqual(kept?.record.facts);
    expect(told?.facts).toMatchObject({ 'request.region': 'eu', 'user.email': 'ann@example.com' });
  });

  test('goes on over what a broken disk changed: that is what verify is for', async () => {
    const { dir, file, text } = await sample();
    const damage: readonly (readonly [string, string])[] = [
      // No JSON any more, and a personal part that no key opens, or that is none.
      ['"route":', '"route"#'],
      ['"who":"', '"who":"AAAA'],
      ['"who":"', '"who#:"'],
      ['"subject":', '"subject"#'],
    ];
    for (const [from, to] of damage) {
      const lines = text.trim().split('\n');
      lines[2] = lines[2]?.replace(from, to) ?? '';
      writeFileSync(file, `${lines.join('\n')}\n`);
      const names = (await all(dir)).map((one) => [one.record.exchange, one.record.caller.user]);
      expect(names.filter(([name]) => name !== 'x2')).toEqual([
        ...[
          ['x0', 'ann'],
          ['x1', 'bob'],
          ['x3', 'bob'],
        ],
        ...[
          ['x4', 'ann'],
          ['x5', 'bob'],
        ],
      ]);
      expect((await lateRecords(join(dir, 'audit'), {})).length).toBeGreaterThanOrEqual(5);
      expect((await verify(dir)).ok).toBe(false);
    }
  });

  test('without the keys a user cannot be asked for', async () => {
    const { dir } = await sample();
    const found = [];
    for await (const one of queryTrail(join(dir, 'audit'), { user: 'ann' })) found.push(one);
    expect(found).toEqual([]);
  });
});

test('an empty trail directory has no records and no problems', async () => {
  const dir = temporary();
  const trail = await open(dir);
  await trail.close();
  mkdirSync(join(dir, 'audit'), { recursive: true });
  expect(await verify(dir)).toMatchObject({ ok: true, records: 0 });
});
