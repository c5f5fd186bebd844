import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fileSink, openTrail } from '../../src/observe/index.ts';
import { openEmbeddedQueue } from '../../src/stores/index.ts';
import { audit } from '../../src/surfaces/cli/audit.ts';
import { outputTo } from '../../src/surfaces/cli/output.ts';
import type { Ports } from '../../src/surfaces/cli/ports.ts';
import { runCommandLine } from '../../src/surfaces/cli/run.ts';
import { record, temporary } from './records.ts';

/** A closed trail where the default configuration would have it. */
async function sample(): Promise<string> {
  const dir = temporary();
  const trail = await opened(dir);
  const attempts = [{ provider: 'openai', model: 'gpt-4o-mini', ms: 1, cost_nusd: 2000 }];
  await trail.end(record('one', { time_ms: Date.now() - 7_200_000, attempts }));
  await trail.end(record('two', { time_ms: Date.now(), caller: { team: 'sales', user: 'bob' }, ending: 'denied' }));
  await trail.close();
  return dir;
}

function opened(dir: string) {
  return openTrail({
    path: join(dir, 'data', 'spool'),
    spoolId: 'gateway',
    sinks: [fileSink(join(dir, 'data', 'audit'))],
    queue: openEmbeddedQueue({ attempts: 1, backoff_ms: 5 }),
    reserve_bytes: 8192,
  });
}

async function run(dir: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  const to = (which: 'out' | 'err') => ({
    write: (text: string) => {
      said[which] += text;
    },
  });
  const ports = {
    retryAside: async () => 0,
    loadSettings: async () => ({
      problems: [],
      printable: { state: { path: './data' }, audit: { sinks: [{ type: 'file', path: './data/audit' }] } },
    }),
  } as unknown as Ports;
  const world = {
    env: {},
    cwd: dir,
    out: outputTo(to('out'), to('err')),
    input: async () => '',
    lines: async function* () {},
    ports,
  };
  const code = await runCommandLine(['audit', ...args], [audit], '0', world);
  return { code, ...said };
}

describe('llm-policy audit', () => {
  test('query shows records as a table and as JSON', async () => {
    const dir = await sample();
    const table = await run(dir, 'query');
    expect(table.code).toBe(0);
    expect(table.out).toMatch(/TIME \(UTC\) +EXCHANGE +TEAM/);
    expect(table.out).toMatch(/one +research +ann +gpt-4o-mini +complete +\$0\.000086 +430/);
    const json = await run(dir, 'query', '--json', '--since', '1h');
    expect(JSON.parse(json.out)).toMatchObject({
      records: [{ exchange: 'two', caller: { user: 'bob' }, cost_usd: 0.0000855, ending: 'denied' }],
    });
    const one = JSON.parse((await run(dir, 'query', '--json', '--exchange', 'one')).out).records[0];
    expect(one.attempts).toMatchObject([{ provider: 'openai', cost_usd: 0.000002 }]);
    expect(JSON.stringify(one)).not.toContain('nusd');
    expect((await run(dir, 'query', '--user', 'ann')).out).toContain('one');
    expect((await run(dir, 'query', '--team', 'nobody')).out).toBe('No record fits.\n');
    expect(
      (await run(dir, 'export')).out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).exchange),
    ).toEqual(['one', 'two']);
  });

  test('verify exits 0 for a trail that holds and 1 for one that does not, with file and line', async () => {
    const dir = await sample();
    expect(await run(dir, 'verify')).toMatchObject({
      code: 0,
      out: expect.stringContaining('2 records; the chain holds.'),
    });
    const file = join(dir, 'data', 'audit', `audit-${new Date().toISOString().slice(0, 10)}.jsonl`);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"ending":"denied"', '"ending":"failed"'));
    const edited = await run(dir, 'verify');
    expect(edited).toMatchObject({ code: 1, err: expect.stringContaining(`${file}:2: edited`) });
    expect(JSON.parse((await run(dir, 'verify', '--json')).out)).toMatchObject({
      ok: false,
      problems: [{ kind: 'edited', seq: 2 }],
    });
  });

  test('verify says what is not signed, and whether that is a problem', async () => {
    const dir = await sample();
    const spool = join(dir, 'data', 'spool', 'spools', 'gateway');
    for (const file of [join(dir, 'data', 'audit', 'heads.jsonl'), join(spool, 'head.json')]) rmSync(file);
    const cursor = join(spool, 'cursor-file.json');
    const signed = readFileSync(cursor, 'utf8');
    rmSync(cursor);
    const young = await run(dir, 'verify');
    expect([young.code, young.err]).toEqual([0, '']);
    expect(young.out).toMatch(
      /\ngateway\.\w+: 2 records after number 0 are not signed yet; the gateway signs every minute\.\n2 records; the chain holds\.\n$/,
    );
    // What a data directory has of its own is no help to whoever cut the trail.
    writeFileSync(cursor, signed);
    const file = join(dir, 'data', 'audit', `audit-${new Date().toISOString().slice(0, 10)}.jsonl`);
    writeFileSync(file, readFileSync(file, 'utf8').replace(/\n.*\n$/, '\n'));
    expect(await run(dir, 'verify')).toMatchObject({ code: 1, err: expect.stringContaining(': truncated: ') });
    expect(JSON.parse((await run(dir, 'verify', '--json')).out)).toMatchObject({
      spools: [{ records: 1, vouched_seq: 0, unsigned: 1, signing: 'not_yet' }],
    });
  });

  test('verify --rotated tells where a trail begins', async () => {
    const dir = await sample();
    const file = join(dir, 'data', 'audit', `audit-${new Date().toISOString().slice(0, 10)}.jsonl`);
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^.*\n/, ''));
    expect(await run(dir, 'verify')).toMatchObject({ code: 1, err: expect.stringContaining(': removed: ') });
    const rotated = await run(dir, 'verify', '--rotated');
    expect([rotated.code, rotated.err]).toEqual([0, '']);
    expect(rotated.out).toMatch(
      /\ngateway\.\w+: begins with number 2; the one before it is not here\.\n1 record; the chain holds\.\n$/,
    );
  });

  test('verify says in words that there is nothing, or one record', async () => {
    const dir = temporary();
    mkdirSync(join(dir, 'data', 'audit'), { recursive: true });
    mkdirSync(join(dir, 'data', 'spool', 'keys'), { recursive: true });
    const nothing = 'There are no records, and no signed position tells of any.\n';
    expect(await run(dir, 'verify')).toEqual({ code: 0, out: nothing, err: '' });
    expect(await run(dir, 'query')).toEqual({ code: 0, out: 'No record fits.\n', err: '' });
    const trail = await opened(dir);
    await trail.end(record('one', { time_ms: Date.now() }));
    await trail.close();
    expect((await run(dir, 'verify')).out).toMatch(/\n1 record; the chain holds\.\n$/);
  });

  test('erase makes a user unreadable; the chain holds', async () => {
    const dir = await sample();
    expect(await run(dir, 'erase', '--user', 'ann')).toMatchObject({ code: 0 });
    expect(await run(dir, 'erase', '--user', 'ann')).toMatchObject({ code: 1 });
    expect((await run(dir, 'query')).out).toMatch(/one +research +\[sealed\]/);
    expect((await run(dir, 'verify')).code).toBe(0);
  });

  test('says what was used wrongly (2) and what could not be done (3)', async () => {
    const dir = await sample();
    expect(await run(dir)).toMatchObject({ code: 2 });
    expect(await run(dir, 'query', '--since', 'yesterday')).toMatchObject({ code: 2 });
    expect(await run(dir, 'query', '--teem', 'x')).toMatchObject({ code: 2, err: expect.stringContaining('--team') });
    expect(await run(dir, 'verify', './nowhere')).toMatchObject({ code: 3 });
    expect(await run(dir, 'report')).toMatchObject({ code: 3 });
  });

  test('aside lists what a sink would not take, and exits 1 while there is something', async () => {
    const dir = await sample();
    expect(await run(dir, 'aside')).toMatchObject({ code: 0, out: 'Nothing is set aside.\n' });
    const spool = join(dir, 'data', 'spool', 'spools', 'gateway');
    const entry = { seq: 7, at_ms: Date.UTC(2026, 0, 2, 3, 4, 5), reason: 'too odd', line: '{}' };
    writeFileSync(join(spool, 'aside-file.jsonl'), `${JSON.stringify(entry)}\n`);
    const table = await run(dir, 'aside');
    expect(table.code).toBe(1);
    expect(table.out).toMatch(/2026-01-02 03:04:05 +gateway +7 +file +too odd/);
    const json = await run(dir, 'aside', '--retry', '--json');
    expect(JSON.parse(json.out)).toEqual({
      taken: 0,
      aside: [{ time: '2026-01-02T03:04:05.000Z', spool: 'gateway', seq: 7, sink: 'file', reason: 'too odd' }],
    });
  });
});
