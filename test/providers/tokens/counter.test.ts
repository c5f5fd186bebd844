import { spawnSync } from 'node:child_process';
import { Tiktoken } from 'js-tiktoken/lite';
import o200k from 'js-tiktoken/ranks/o200k_base';
import { afterEach, describe, expect, test } from 'vitest';
import {
  openTokenCounter,
  type TokenCounter,
  type TokenCounterSettings,
} from '../../../src/providers/tokens/counter.ts';

/** A thread runs what was built: it cannot read this language. */
const thread = new URL('../../../dist/providers/tokens/count-thread.js', import.meta.url);
const oracle = new Tiktoken(o200k);
const sentence = 'Long texts are counted off the event loop. ';
const patient: TokenCounterSettings = { thread, deadline_ms: 30_000 };

let counter: TokenCounter | undefined;
const open = (settings: TokenCounterSettings) => {
  counter = openTokenCounter(settings);
  return counter;
};
afterEach(() => counter?.close());

describe('a counter of tokens', () => {
  test('counts short and long texts exactly, each by itself', async () => {
    const tokens = open(patient);
    const short = ['Hello', ', world!'];
    const wanted = short.reduce((sum, text) => sum + oracle.encode(text).length, 0);
    // Before there is a table, and with it.
    expect(await tokens.count('o200k_base', short)).toBe(wanted);
    expect(await tokens.count('o200k_base', short)).toBe(wanted);
    const long = sentence.repeat(2000);
    expect(await tokens.count('o200k_base', [long, 'x'])).toBe(oracle.encode(long).length + 1);
    expect(await tokens.count('cl100k_base', ['Hello'])).toBe(1);
    expect(await tokens.count('o200k_base', [])).toBe(0);
  });

  test('leaves the event loop alone while it counts a long text', async () => {
    const tokens = open(patient);
    let turns = 0;
    const turning = setInterval(() => {
      turns += 1;
    }, 1);
    const counting = tokens.count('o200k_base', ['a'.repeat(1_000_000)]);
    expect(await counting).toBe(125_000);
    clearInterval(turning);
    expect(turns).toBeGreaterThan(10);
  });

  test('says it does not know what is too long, or would take too long', async () => {
    const tokens = open({ ...patient, lengthMax: 100_000 });
    expect(await tokens.count('o200k_base', ['a'.repeat(60_000), 'a'.repeat(60_000)])).toBeUndefined();
    const hasty = openTokenCounter({ thread, deadline_ms: 1 });
    expect(await hasty.count('o200k_base', ['a'.repeat(1_000_000)])).toBeUndefined();
    await hasty.close();
  });

  test('does not let jobs pile up', async () => {
    const tokens = open({ ...patient, waitingMax: 2 });
    const long = ['a'.repeat(200_000)];
    const answers = await Promise.all([1, 2, 3, 4].map(() => tokens.count('o200k_base', long)));
    expect(answers).toEqual([25_000, 25_000, undefined, undefined]);
  });

  test('never rejects where no thread can be had at all', async () => {
    const tokens = open({ thread: new URL('https://127.0.0.1/no-thread.js') });
    for (let asked = 0; asked < 5; asked += 1) {
      expect(await tokens.count('o200k_base', ['hello world'])).toBe(2);
      expect(await tokens.count('o200k_base', ['x'.repeat(20_000)])).toBeUndefined();
    }
  });

  test('nor where the ranks cannot be read', async () => {
    const tokens = open({ thread: new URL('https://127.0.0.1/no-thread.js') });
    expect(await tokens.count('ranks that are not there' as 'o200k_base', ['hello world'])).toBeUndefined();
  });

  test('without its thread counts short texts here, and says of long ones that it does not know', async () => {
    const tokens = open({ thread: new URL('./no-such-thread.js', import.meta.url) });
    expect(await tokens.count('o200k_base', ['Hello, world!'])).toBe(oracle.encode('Hello, world!').length);
    for (let turn = 0; turn < 5; turn += 1)
      expect(await tokens.count('o200k_base', [sentence.repeat(1000)])).toBeUndefined();
    expect(await tokens.count('o200k_base', ['Hello, world!'])).toBe(oracle.encode('Hello, world!').length);
  });

  test('tells what waits that it does not know, when it is closed', async () => {
    const tokens = open(patient);
    const counting = tokens.count('o200k_base', ['a'.repeat(1_000_000)]);
    await tokens.close();
    expect(await counting).toBeUndefined();
    expect(await tokens.count('o200k_base', ['Hello'])).toBeUndefined();
  });

  test('does not keep its process alive', () => {
    const program = `
      import { openTokenCounter } from ${JSON.stringify(new URL('./counter.js', thread).href)};
      process.stdout.write(String(await openTokenCounter({ deadline_ms: 30000 }).count('o200k_base', ['${sentence}'.repeat(2000)])));`;
    const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program]);
    expect(status).toBe(0);
    expect(Number(String(stdout))).toBe(oracle.encode(sentence.repeat(2000)).length);
  });
});
