import { readFileSync, writeSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type AuditRecord, type Intent, openSpool, type Spool } from '../../src/observe/index.ts';
import { IntentReader } from '../../src/observe/trail/intent-line.ts';
import { parseLine, recordOf } from '../../src/observe/trail/line.ts';
import { listSegments, segmentFile, type WriteSync } from '../../src/observe/trail/segment.ts';
import { intent, record, temporary } from './records.ts';

/** As the walk makes them: frozen, and the same object for all calls of one caller from one place. */
const callers = [
  Object.freeze({ organization: 'acme', team: 'research', key: 'key-1', tags: [], ip: '10.0.0.1' }),
  Object.freeze({ organization: 'acme', team: 'sales', key: 'key-2', user: 'ann', email: 'ann@acme.test' }),
  // And one that may change.
  { team: 'research' },
];

function spoolAt(
  path: string,
  more: { write?: WriteSync; segment_bytes_max?: number; clock?: () => number } = {},
): Spool {
  return openSpool({
    path,
    spoolId: 'one',
    fsync: 'group',
    segment_bytes_max: 16 << 20,
    reserve_bytes: 65_536,
    clock: Date.now,
    ...more,
  });
}

function linesOf({ dir }: Spool): string[] {
  return listSegments(dir).flatMap((number) => readFileSync(segmentFile(dir, number), 'utf8').trimEnd().split('\n'));
}

/** The records of a spool, and whether they have a personal part. */
function recordsOf(spool: Spool): (AuditRecord & { sealed: boolean })[] {
  return linesOf(spool).flatMap((text) => {
    const line = parseLine(text);
    return line === undefined ? [] : [{ ...recordOf(line), sealed: line.personalJson !== undefined }];
  });
}

/** What of an intent lies in the open, and whether there is more. */
function openPart({ caller: { user, email: _email, ip, ...caller }, ...rest }: Intent): { exchange: string } {
  return JSON.parse(JSON.stringify({ ...rest, caller, sealed: user !== undefined || ip !== undefined }));
}

type Asked = Omit<Partial<Intent>, 'exchange' | 'request_id'> & { own_id: boolean };

describe('the intents of a spool', () => {
  test('are told whole once, and then only in what is new', () => {
    const spool = spoolAt(temporary());
    onTestFinished(() => spool.close());
    const asked = { caller: callers[0]!, program: `sha256:${'0'.repeat(64)}`, prices: '258a08ff', time_ms: 17 };
    void spool.begin(intent('ex_1', asked));
    void spool.begin(intent('ex_2', { ...asked, request_id: 'ex_2', held_nusd: 5 }));
    void spool.begin(intent('ex_3', { ...asked, request_id: 'theirs', held_nusd: 6 }));
    spool.flush();
    const [, whole, ...like] = linesOf(spool);
    expect(whole).toMatch(/^\{"begin":\{"exchange":"ex_1",.*\},"as":1,"personal":\{/);
    expect(like).toEqual([
      '{"like":1,"exchange":"ex_2","time_ms":17,"held_nusd":5}',
      '{"like":1,"exchange":"ex_3","request_id":"theirs","time_ms":17,"held_nusd":6}',
    ]);
  });

  test('are lost with nothing missing, whatever was alike, across segments and a disk that refuses', async () => {
    const call: fc.Arbitrary<Asked> = fc.record({
      caller: fc.constantFrom(...callers),
      model_asked: fc.constantFrom('one', 'two', undefined),
      program: fc.constantFrom('sha256:a', 'sha256:b'),
      prices: fc.constantFrom('p', undefined),
      uninspected: fc.constantFrom(true, undefined),
      passed: fc.constantFrom(undefined, undefined, { method: 'POST', path: '/v1/files' }),
      region: fc.constantFrom('eu', undefined),
      streamed: fc.boolean(),
      held_nusd: fc.nat(),
      own_id: fc.boolean(),
    });
    /** A few ways to ask that come again and again, some of them nearly the same. */
    const ways = fc
      .tuple(call, call)
      .map(([one, other]) => [
        one,
        other,
        { ...one, program: 'sha256:c' },
        { ...one, prices: 'q' },
        { ...one, uninspected: one.uninspected === undefined ? true : undefined },
        { ...one, held_nusd: 7, own_id: !one.own_id },
      ]);
    const way = fc.nat(5);
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ does: fc.constant('begin' as const), way }) },
      { weight: 2, arbitrary: fc.record({ does: fc.constant('again' as const), way }) },
      { weight: 2, arbitrary: fc.record({ does: fc.constant('end' as const) }) },
      { weight: 2, arbitrary: fc.record({ does: fc.constant('write' as const) }) },
      { weight: 1, arbitrary: fc.record({ does: fc.constant('fail' as const), way }) },
      { weight: 1, arbitrary: fc.record({ does: fc.constant('open again' as const) }) },
    );
    await fc.assert(
      fc.asyncProperty(ways, fc.array(step, { maxLength: 60, size: 'max' }), async (asked, steps) => {
        const path = temporary();
        let failing = false;
        const write: WriteSync = (fd, bytes, offset, length) => {
          if (failing) throw new Error('full');
          return writeSync(fd, bytes, offset, length);
        };
        // Each look is two seconds later: a disk that refused is tried again at once.
        let now = Date.now();
        const clock = (): number => (now += 2000);
        const open = (): Spool => spoolAt(path, { write, clock, segment_bytes_max: 3000 });
        let spool = open();
        /** What began and has no end, as far as the disk took it. */
        const live = new Map<string, Intent>();
        const lost: { exchange: string }[] = [];
        let pending: Promise<unknown>[] = [];
        const begin = (exchange: string, way: number): void => {
          const { own_id, ...how } = asked[way]!;
          const one = intent(exchange, { ...how, request_id: own_id ? `id of ${exchange}` : exchange });
          pending.push(
            spool.begin(one).then(
              () => live.set(exchange, one),
              () => {},
            ),
          );
        };
        const settle = async (): Promise<void> => {
          spool.flush();
          await Promise.all(pending);
          pending = [];
        };
        for (const [index, one] of steps.entries()) {
          const [oldest] = live.keys();
          if (one.does === 'begin') begin(`ex_${index}`, one.way);
          else if (one.does === 'again' && oldest !== undefined) begin(oldest, one.way);
          else if (one.does === 'write') await settle();
          else if (one.does === 'end' && oldest !== undefined) {
            await settle();
            await spool.end(record(oldest));
            live.delete(oldest);
          } else if (one.does === 'fail') {
            await settle();
            failing = true;
            begin(`ex_${index}_refused`, one.way);
            await settle();
            failing = false;
          } else if (one.does === 'open again') {
            await settle();
            lost.push(...[...live.values()].map(openPart));
            live.clear();
            spool.close();
            spool = open();
          }
        }
        await settle();
        lost.push(...[...live.values()].map(openPart));
        spool.close();
        spool = open();
        const said = recordsOf(spool).filter(({ ending }) => ending === 'lost');
        spool.close();
        expect(said).toHaveLength(lost.length);
        for (const one of lost) {
          expect(said.find(({ exchange }) => exchange === one.exchange)).toMatchObject(one);
        }
      }),
      { numRuns: 150 },
    );
  });

  test('that refer to a line which is not there are told by none', () => {
    const reader = new IntentReader();
    expect(reader.read('{"like":1,"exchange":"ex_2","time_ms":17,"held_nusd":5}')).toBeUndefined();
    expect(reader.read('{"begin":{"exchange":"ex_1"},"as":1}')).toBeDefined();
    expect(reader.read('{"like":1,"exchange":"ex_2","time_ms":17}')).toBeUndefined();
    expect(reader.read('{"like":1,"time_ms":17,"held_nusd":5}')).toBeUndefined();
    expect(reader.read('{"like":1,"exchange":"ex_2","time_ms":17,"held_nusd":5}')).toBeDefined();
  });
});
