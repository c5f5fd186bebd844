import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Deadline, Deadlines } from '../../src/providers/deadlines.ts';
import type { UpstreamCall } from '../../src/providers/upstream.ts';
import { eventually } from '../support/wait.ts';

const hour_ms = 3_600_000;

function watched(deadlines: Deadlines, times: Partial<UpstreamCall>, late: (phase: string) => void): Deadline {
  const call = {
    path: '/',
    headers: {},
    connect_timeout_ms: hour_ms,
    first_byte_timeout_ms: hour_ms,
    total_timeout_ms: hour_ms,
    ...times,
  };
  const deadline = new Deadline(deadlines, { late }, call);
  deadline.start();
  return deadline;
}

describe('the times of calls that share a timer', () => {
  test('run out one by one, whichever began first', async () => {
    const deadlines = new Deadlines();
    const late: string[] = [];
    watched(deadlines, {}, () => late.push('never'));
    watched(deadlines, { total_timeout_ms: 120 }, (phase) => late.push(`last ${phase}`));
    watched(deadlines, { connect_timeout_ms: 30 }, (phase) => late.push(`first ${phase}`));
    watched(deadlines, { first_byte_timeout_ms: 70 }, (phase) => late.push(`second ${phase}`));
    await eventually(() => late.length >= 3);
    await wait(50);
    expect(late).toEqual(['first connect', 'second first_byte', 'last total']);
  });

  test('run out for none that is over, and for all others', async () => {
    const deadlines = new Deadlines();
    const late: number[] = [];
    const calls = [0, 1, 2, 3, 4].map((index) =>
      watched(deadlines, { total_timeout_ms: 40 }, () => {
        late.push(index);
        // What one failure ends of others is not failed once more.
        if (index === 4) calls[0]?.stop();
      }),
    );
    calls[1]?.stop();
    calls[1]?.stop();
    await eventually(() => late.length >= 3);
    await wait(80);
    expect(late.sort()).toEqual([2, 3, 4]);
  });

  test('are looked at again for one that got on', async () => {
    const deadlines = new Deadlines();
    const late: string[] = [];
    const call = watched(
      deadlines,
      { connect_timeout_ms: 20, first_byte_timeout_ms: 800, total_timeout_ms: 900 },
      (phase) => late.push(phase),
    );
    call.connected = true;
    await wait(40);
    call.begun = true;
    await eventually(() => late.length > 0);
    await wait(50);
    expect(late).toEqual(['total']);
  });
});
