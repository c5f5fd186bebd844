import fc from 'fast-check';
import { expect, test } from 'vitest';
import { labelText } from '../../src/stores/labels.ts';
import { Books } from '../../src/stores/leased/books.ts';
import { newHold } from '../../src/stores/leased/counter.ts';
import { item } from '../../src/stores/leased/items.ts';
import type { Budget, Labels } from '../../src/stores/ledger.ts';
import { Lines } from '../../src/stores/lines.ts';
import type { Asked } from '../../src/stores/redis/asked.ts';
import { Memory } from '../../src/stores/redis/memory.ts';
import { putMessage } from '../../src/stores/redis/message-line.ts';
import type { Message } from '../../src/stores/redis/outbox.ts';
import { Reserving } from '../../src/stores/redis/reserving.ts';
import { settleMessage } from '../../src/stores/redis/settle-message.ts';
import { Settling } from '../../src/stores/redis/settling.ts';
import type { Turns } from '../../src/stores/redis/turns.ts';

const written = (lines: Lines) => lines.bytes.toString('utf8', 0, lines.size);
const whole = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(),
  fc.nat(99),
  fc.constantFrom(0, 9, 10, 1e9 - 1, 1e9, 1e18 / 1e3, 2 ** 53 - 1),
);
const nothing = { amount: { nusd: 0, tokens: 0 }, budgets: [], rates: [], lease_ms: 1 };
const any = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme-ascii', minLength: 180, maxLength: 210 }),
);

const visible = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 200,
});

test('a whole number is spelled as JavaScript spells it', () => {
  const lines = new Lines();
  fc.assert(
    fc.property(whole, (value) => {
      lines.clear();
      lines.whole(value);
      expect(written(lines)).toBe(String(value));
    }),
  );
  for (let tens = 1; tens < 2 ** 53; tens *= 10) {
    for (const value of [tens - 1, tens, tens + 1, tens * 9].filter(Number.isSafeInteger)) {
      lines.clear();
      lines.whole(value);
      expect(written(lines)).toBe(String(value));
    }
  }
});

test('lines of any length stand one behind the other, whatever they are written with', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(any, fc.nat(3))), fc.nat(9_000), (texts, long) => {
      const lines = new Lines();
      let expected = '';
      for (const [text, way] of [...texts, ['x'.repeat(long), 1] as const]) {
        const plain = text.replace(/[^\x20-\x7e]/g, '.');
        if (way === 0) lines.quoted(text);
        else if (way === 1) lines.letters(plain);
        else if (way === 2) lines.text(text);
        else lines.put(Buffer.from(text));
        expected += way === 0 ? JSON.stringify(text) : way === 1 ? plain : text;
      }
      expect(written(lines)).toBe(expected);
    }),
  );
});

test('what an outbox keeps of a message is its JSON', () => {
  const settlement = fc.record(
    {
      op: fc.constant('settle' as const),
      n: whole,
      id: visible,
      organization: any,
      nusd: whole,
      tokens: whole,
      estimated: fc.boolean(),
      at_ms: whole,
      input: whole,
      labels: fc.constantFrom('team=a', `team=${'b'.repeat(200)}&user=%C3%A4`),
    },
    { requiredKeys: ['op', 'n', 'id', 'organization', 'nusd', 'tokens', 'estimated', 'at_ms'], noNullPrototype: true },
  );
  const release = fc.record({
    op: fc.constant('release' as const),
    n: whole,
    id: visible,
    organization: any,
    nonce: fc.string(),
  });
  fc.assert(
    fc.property(fc.array(fc.oneof(settlement, release)), (messages: Message[]) => {
      const lines = new Lines();
      for (const one of messages) putMessage(lines, one);
      expect(written(lines)).toBe(messages.map((one) => `${JSON.stringify(one)}\n`).join(''));
    }),
  );
});

test('what a script is asked is the JSON of its operations', () => {
  let asked: Asked | undefined;
  const push = (_: string, one: Asked) => (asked = one);
  const turns = { now: () => 0, push, ride: push } as unknown as Turns;
  const request = fc.record({
    organization: fc.constant('acme'),
    id: visible,
    amount: fc.record({ nusd: whole, tokens: whole, input: whole }, { requiredKeys: ['nusd', 'tokens'] }),
    owner: any,
    lease_ms: whole,
    labels: fc.constantFrom<Labels>({}, { team: 'a', user: 'ä"\\' }),
    estimated: fc.boolean(),
  });
  fc.assert(
    fc.property(request, visible, fc.nat(200), fc.boolean(), (one, nonce, place, held) => {
      const { id, amount, owner, lease_ms, labels, estimated, organization } = one;
      const { nusd, tokens, input = 0 } = amount;
      const lines = new Lines();
      const parts = { turns, memory: new Memory(), enrol: () => {}, abandon: () => {} };
      const reserving = new Reserving(
        parts,
        { ...one, budgets: [], rates: [] },
        nonce,
        () => {},
        () => {},
      );
      reserving.write(lines, place);
      expect(written(lines)).toBe(
        JSON.stringify([0, id, place, nusd, tokens, input, lease_ms, owner, nonce, labelText(labels)]),
      );
      const memory = new Memory();
      const nothing = { budgets: [], rates: [] };
      if (held) memory.remember({ ...one, ...nothing }, nonce, nothing, nothing);
      const settling = new Settling({ turns, memory, prefix: '', notice: () => {} });
      settling.post(settleMessage({ organization, id, amount, estimated, labels }), () => {});
      lines.clear();
      asked?.write(lines, undefined);
      // Of a hold that it does not know it wants to hear the counters.
      const told = [nusd, tokens, input, estimated ? '1' : '0', '600000', held ? 0 : -1];
      expect(written(lines)).toBe(JSON.stringify([2, id, '', ...told, labelText(labels)]));
    }),
  );
});

test('what the shared ledger is told of a hold is the JSON of its item', () => {
  const budget = fc.record({ limit: whole, hard: fc.boolean(), used: fc.oneof(whole, fc.integer()) });
  const kind = fc.constantFrom('s' as const, 'p' as const, 'v' as const, 'x' as const);
  fc.assert(
    fc.property(
      fc.array(budget, { maxLength: 4 }),
      kind,
      visible,
      whole,
      fc.boolean(),
      (budgets, kind, id, sum, yes) => {
        const books = new Books('acme');
        books.items = 41;
        const hold = newHold({ id, organization: 'acme', owner: 'me', labels: { team: 'a b' }, ...nothing });
        Object.assign(hold, { nusd: sum, tokens: 7, input: 3, provisional: yes });
        item.money(books, kind, hold, { nusd: 12, tokens: sum }, yes, hold.labels);
        const counters = budgets.map(({ limit, hard, used }, at) => {
          const one = {
            scope: { kind: 'team', id: `t"${at}` },
            window: 'total',
            unit: 'nusd',
            limit,
            hard,
            warnPercent: [],
          };
          const slice = books.slice(one as Budget, 0);
          item.counter(slice, used);
          return [slice.key, 'n', limit, hard ? 1 : 0, 0, 0, 0, used];
        });
        item.end();
        const prior = yes ? [sum, 7, 3] : [-1, -1, -1];
        expect(written(item.text)).toBe(
          JSON.stringify([42, kind, id, 12, sum, 0, yes ? 1 : 0, ...prior, 'team=a%20b', counters]),
        );
      },
    ),
  );
});
