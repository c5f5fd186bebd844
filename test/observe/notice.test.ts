import fc from 'fast-check';
import { expect, test } from 'vitest';
import { withinTeam } from '../../src/callers/scope-name.ts';
import { changeRecord } from '../../src/observe/index.ts';
import type { RecordChange } from '../../src/observe/record.ts';
import { type Budget, seriesKey, windowKey } from '../../src/stores/index.ts';

const budget = (id: string, kind: 'user' | 'team' = 'user'): Budget => ({
  scope: { kind, id },
  window: 'day',
  timeZone: 'Europe/Berlin',
  unit: 'tokens',
  limit: 1,
  hard: true,
  warnPercent: [],
});

function told(change: Omit<RecordChange, 'action'>) {
  const made = { exchange: 'ex_1', time_ms: 1, organization: 'acme', route: '/admin/v1/budgets' };
  const { caller, change: kept } = changeRecord({ ...made, change: { action: 'budget.reset', ...change } });
  return { caller, ...kept };
}

/** As identity providers name people: `auth0|5f7c`, `jane@example.com`, `org:jane`. */
const names = fc.string({ unit: fc.constantFrom(...'abcXYZ019._@+|=:/-'), minLength: 3, maxLength: 20 });

test('a change to what one person may spend names them where names are sealed alone, whatever they are called', () => {
  fc.assert(
    fc.property(names, (name) => {
      const id = withinTeam('r', name);
      const keys = [seriesKey(budget(id)), windowKey(budget(id), Date.UTC(2026, 10, 21)).key];
      // The mark of an alert that was raised is a counter as well, and may be repaired.
      keys.push(windowKey(budget(`${id}#alert-75-of-1-tokens`), 0).key);
      for (const target of keys) {
        const { caller, target: open = '' } = told({ by: 'key-1', target });
        expect(caller).toEqual({ organization: 'acme', team: 'r', user: name });
        expect(open).toMatch(/^budget:user:r\/\[person\]:day(:2026-11-21|:1970-01-01)?@Europe\/Berlin:tokens$/);
      }
    }),
  );
});

test('a change to what a team may spend names the team, and no person', () => {
  const target = seriesKey(budget('research and more', 'team'));
  expect(told({ by: 'key-1', target })).toMatchObject({
    caller: { organization: 'acme', team: 'research and more' },
    target,
  });
});

test('who approved a call is named where names are sealed', () => {
  expect(told({ by: 'user:research/auth0|5f7c', target: 'ap_1' })).toEqual({
    action: 'budget.reset',
    caller: { organization: 'acme', team: 'research', user: 'auth0|5f7c' },
    by: 'user:research/[person]',
    target: 'ap_1',
  });
  expect(told({ by: 'key:key-7', target: 'ap_1' })).toMatchObject({
    caller: { organization: 'acme' },
    by: 'key:key-7',
  });
});
