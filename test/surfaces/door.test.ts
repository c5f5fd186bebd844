import { describe, expect, test } from 'vitest';
import { type Caller, Failure } from '../../src/exchange/index.ts';
import { openDoor } from '../../src/surfaces/decision/door.ts';

const caller = (id: string, scopes: readonly string[] = ['policy:evaluate']): Caller => ({
  kind: 'key',
  key: { id, scopes, mayAssert: false },
  organization: { id: 'acme' },
  team: { id: 'research', name: 'Research' },
  tags: [],
});

function house(limit: number) {
  let now = 0;
  let evaluations_per_minute = limit;
  const known = new Map(
    [caller('one'), caller('reader', ['policy:read']), caller('chief', ['policy:admin'])].map((one) => [
      one.key.id,
      one,
    ]),
  );
  const door = openDoor({
    identify({ key }) {
      const found = known.get(String(key));
      if (found === undefined) throw new Failure('invalid_api_key', 'unknown');
      return { caller: found };
    },
    evaluations_per_minute: () => evaluations_per_minute,
    elapsed: () => now,
  });
  const spent = (id: string, evaluations: number) => {
    try {
      door.spend(caller(id), evaluations);
      return 'in';
    } catch (error) {
      return (error as Failure).detail.retryAfterSeconds;
    }
  };
  return {
    door,
    spent,
    pass(ms: number) {
      now += ms;
    },
    relimit(next: number) {
      evaluations_per_minute = next;
    },
  };
}

describe('the door', () => {
  test('opens for a scope, and for policy:admin; not without', async () => {
    const { door } = house(10);
    expect((await door.enter({ key: 'one' }, 'policy:evaluate')).key.id).toBe('one');
    expect((await door.enter({ key: 'chief' }, 'policy:write')).key.id).toBe('chief');
    await expect(door.enter({ key: 'one' }, 'policy:read')).rejects.toMatchObject({
      code: 'policy_denied',
      message: /'policy:read'/,
    });
    await expect(door.enter({ key: 'reader' }, 'policy:evaluate')).rejects.toMatchObject({ code: 'policy_denied' });
    await expect(door.enter({}, 'policy:read')).rejects.toMatchObject({ code: 'invalid_api_key' });
  });

  test('lets so many evaluations in as a minute allows, each key its own', () => {
    const { spent, pass } = house(60);
    expect(Array.from({ length: 61 }, () => spent('one', 1)).filter((one) => one === 'in').length).toBe(60);
    expect([spent('one', 1), spent('other', 1)]).toEqual([1, 'in']);
    pass(999);
    expect(spent('one', 1)).toBe(1);
    pass(1);
    expect([spent('one', 1), spent('one', 1)]).toEqual(['in', 1]);
    pass(10 * 60_000);
    expect(Array.from({ length: 61 }, () => spent('one', 1)).filter((one) => one === 'in').length).toBe(60);
  });

  test('refusals cost nothing, and say when it is worth while again', () => {
    const { spent, pass } = house(60);
    spent('one', 60);
    for (let i = 0; i < 100; i += 1) expect(spent('one', 30)).toBe(30);
    pass(30_000);
    expect(spent('one', 30)).toBe('in');
  });

  test('a batch larger than a minute waits for a full bucket and leaves a debt', () => {
    const { spent, pass } = house(60);
    expect(spent('one', 90)).toBe('in');
    expect(spent('one', 1)).toBe(31);
    pass(30_000);
    expect(spent('one', 1)).toBe(1);
    pass(1000);
    expect(spent('one', 1)).toBe('in');
    pass(10_000);
    expect(spent('one', 90)).toBe(50);
  });

  test('a limit that changes is in force at once', () => {
    const { spent, relimit } = house(60);
    relimit(2);
    expect([spent('one', 1), spent('one', 1), spent('one', 1)]).toEqual(['in', 'in', 30]);
  });

  test('remembers a bounded number of keys', () => {
    const { spent } = house(1);
    expect([spent('first', 1), spent('first', 1)]).toEqual(['in', 60]);
    for (let i = 0; i < 10_000; i += 1) spent(`key-${i}`, 1);
    expect(spent('first', 1)).toBe('in');
  });
});
