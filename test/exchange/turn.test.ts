import { expect, test } from 'vitest';
import { Turn } from '../../src/exchange/index.ts';

/** What has been read, once the turn of the event loop is over. */
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test('what is put off in one turn is done together, in its order, and promises go on after the last', async () => {
  const turn = new Turn();
  const done: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    turn.later(() => {
      done.push(name);
      void Promise.resolve().then(() => done.push(`after ${name}`));
    });
  }
  expect(done).toEqual([]);
  await nextTurn();
  expect(done).toEqual(['a', 'b', 'c', 'after a', 'after b', 'after c']);
});

test('what is put off by such work is done in the turn after', async () => {
  const turn = new Turn();
  const done: string[] = [];
  turn.later(() => {
    done.push('first');
    turn.later(() => done.push('second'));
  });
  await nextTurn();
  expect(done).toEqual(['first']);
  await nextTurn();
  expect(done).toEqual(['first', 'second']);
});

test('work that throws takes no other with it, and what it throws is not hidden', async () => {
  const turn = new Turn();
  const done: string[] = [];
  // Whoever else listens would take it for a fault of the test.
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  const thrown = new Promise((resolve) => process.once('uncaughtException', resolve));
  turn.later(() => done.push('before'));
  turn.later(() => {
    throw new Error('one of them');
  });
  turn.later(() => done.push('after'));
  expect(await thrown).toMatchObject({ message: 'one of them' });
  await nextTurn();
  for (const other of others) process.on('uncaughtException', other);
  expect(done).toEqual(['before', 'after']);
});
