import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AcknowledgedLately } from '../../src/stores/redis/acknowledged.ts';
import type { Told } from '../../src/stores/redis/memory.ts';
import type { Message } from '../../src/stores/redis/outbox.ts';

const counters: readonly Told[] = [];
const message = (organization: string, id: string, labels: string): Message => ({
  op: 'settle',
  id,
  organization,
  nusd: Number.MAX_SAFE_INTEGER,
  tokens: 0,
  estimated: false,
  labels,
  at_ms: 0,
});
const release = (organization: string, id: string, nonce: string): Message => ({
  op: 'release',
  id,
  organization,
  nonce,
});
const names = fc.tuple(fc.constantFrom('acme', 'ümlaut & co', '😀'), fc.constantFrom(...'abcdefgh'));
const step = fc.record({
  name: names,
  labels: fc.string({ unit: 'grapheme', maxLength: 40 }),
  kind: fc.nat(2),
  later_ms: fc.nat(30),
});

describe('the messages acknowledged last', () => {
  test('are found by organisation and id, whole, at most so many and so old', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 80 }), (most, steps) => {
        const lately = new AcknowledgedLately(most, 100);
        let put: { name: string; message: Message; at_ms: number }[] = [];
        let now_ms = 0;
        for (const { name, labels, kind, later_ms } of steps) {
          now_ms += later_ms;
          const [organization, id] = name;
          const said = { ...message(organization, id, labels), ...(kind === 1 ? { input: 0, estimated: true } : {}) };
          const one = kind === 0 ? release(organization, id, labels) : said;
          lately.put(one, counters, now_ms);
          put.push({ name: name.join(), message: one, at_ms: now_ms });
          put = put.slice(-most).filter(({ at_ms }) => now_ms - at_ms < 100);
          const current = put.filter((known, at) => put.findLastIndex(({ name }) => name === known.name) === at);
          for (const organization of ['acme', 'ümlaut & co', '😀', 'nobody']) {
            expect(lately.of(organization).map((found) => found.message)).toEqual(
              current.map((known) => known.message).filter((known) => known.organization === organization),
            );
          }
          for (const id of 'abcdefgh') {
            const known = current.find(({ message }) => message.organization === 'acme' && message.id === id);
            expect(lately.get('acme', id)?.message).toEqual(known?.message);
          }
        }
      }),
    );
  });

  test('are the newest of a hundred thousand, found at once', () => {
    const lately = new AcknowledgedLately(20_000, 120_000);
    for (let at = 0; at < 100_000; at += 1) {
      lately.put(message('acme', `request-${at}`, `team=research&user=u${at}`), counters, at / 10);
    }
    expect(lately.get('acme', 'request-79999')).toBeUndefined();
    expect(lately.get('acme', 'request-80000')?.message).toMatchObject({ labels: 'team=research&user=u80000' });
    expect(lately.of('acme')).toHaveLength(20_000);
  });

  test('of one longer than a page are kept as any other', () => {
    const lately = new AcknowledgedLately(3, 100);
    for (const id of 'abcde') lately.put(message('acme', id, 'é'.repeat(70_000)), counters, 0);
    expect(lately.of('acme').map(({ message }) => message.id)).toEqual(['c', 'd', 'e']);
    expect(lately.get('acme', 'd')?.message).toEqual(message('acme', 'd', 'é'.repeat(70_000)));
  });
});
