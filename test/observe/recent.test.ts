import { expect, test } from 'vitest';
import { Recent } from '../../src/observe/trail/recent.ts';
import { record } from './records.ts';

const recent = (kept: number) => new Recent(kept, (text) => `hash of ${text.length}`);
const ids = (of: Recent, filter = {}) => of.find(filter).map((one) => one.exchange);

test('records are told as they were recorded, with who it was, the newest first', () => {
  const kept = recent(3);
  const caller = {
    organization: 'acme',
    key: 'key-1',
    tags: ['blue'],
    user: 'zoe',
    email: 'zoe@example.com',
    ip: '::1',
  };
  const request = {
    ...{
      decision: 'warn',
      policy: 'p',
      version: '1',
      rules: ['p/r'],
      reasons: ['zoe@example.com asks "why" \ud83d\ude00'],
    },
    ...{ obligations: [], shadowed: [], unable: [], warnings: ['\ud800'] },
  };
  const facts = { 'team.tier': 'pro', 'user.email': 'zoe@example.com', 'llm.toolNames': ['a', 'b'] };
  const first = record('first', { caller, facts, decision: { request }, content: undefined });
  kept.add(first);
  kept.add(record('second', { usage: { input: 0, output: 7 }, timings: { total: 12.5, overhead: 0.001 } }));
  expect(kept.find({})).toEqual([
    record('second', { usage: { input: 0, output: 7 }, timings: { total: 12.5, overhead: 0.001 } }),
    first,
  ]);
  expect(kept.find({})[1]?.caller).toEqual(caller);
});

test('the oldest goes, whatever room the newest takes', () => {
  const kept = recent(2);
  const long = (name: string, characters: number) => record(name, { route: 'r'.repeat(characters) });
  const sizes = [10, 70_000, 11, 3000, 70_001, 9, 9, 12];
  sizes.forEach((characters, index) => {
    kept.add(long(`x${index}`, characters));
    const told = kept.find({});
    expect(told.map((one) => one.exchange)).toEqual([`x${index}`, `x${index - 1}`].slice(0, index + 1));
    expect(told.map((one) => one.route.length)).toEqual(sizes.slice(Math.max(0, index - 1), index + 1).reverse());
  });
});

test('of those that fit the newest are told, up to the limit', () => {
  const kept = recent(5);
  for (let index = 0; index < 7; index += 1)
    kept.add(record(`x${index}`, { caller: { team: index % 2 === 0 ? 'even' : 'odd', user: `user-${index % 3}` } }));
  expect(ids(kept)).toEqual(['x6', 'x5', 'x4', 'x3', 'x2']);
  expect(ids(kept, { team: 'even' })).toEqual(['x6', 'x4', 'x2']);
  expect(ids(kept, { team: 'even', limit: 2 })).toEqual(['x6', 'x4']);
  expect(ids(kept, { limit: 0 })).toEqual([]);
  expect(ids(kept, { user: 'user-2' })).toEqual(['x5', 'x2']);
  expect(ids(kept, { user: 'user-2', team: 'even' })).toEqual(['x2']);
});

test('who is erased is in none of them any more, nor what was known of them', () => {
  const kept = recent(4);
  const of = (user: string) => ({ caller: { team: 't', user, email: `${user}@example.com`, ip: '10.0.0.7' } });
  const request = {
    ...{ decision: 'deny', rules: [], reasons: ['zoe@example.com may not for Jane Roe'] },
    ...{ obligations: [], shadowed: [], unable: [], warnings: ['zoe: 10.0.0.7'] },
  };
  const facts = { 'user.id': 'zoe', 'team.tier': 'pro', 'metadata.customer': 'Jane Roe' };
  kept.add(record('x0', { ...of('zoe'), facts, decision: { request } }));
  kept.add(record('x1', of('bob')));
  kept.erase((user) => user === 'zoe');
  expect(ids(kept, { user: 'zoe' })).toEqual([]);
  expect(JSON.stringify(kept.find({ exchange: 'x0' }))).not.toMatch(/zoe|Jane|10\.0/);
  expect(kept.find({ exchange: 'x0' })).toMatchObject([{ facts: {}, caller: { team: 't' } }]);
  expect(kept.find({ user: 'bob' })).toMatchObject([{ exchange: 'x1', caller: { email: 'bob@example.com' } }]);
});

test('nothing is kept where none is wanted', () => {
  const kept = recent(0);
  kept.add(record('x0'));
  expect(ids(kept)).toEqual([]);
});
