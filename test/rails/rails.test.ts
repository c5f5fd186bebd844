import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Finding, Passage } from '../../src/exchange/index.ts';
import { piiAnchors, secretAnchors } from '../../src/rails/anchors.ts';
import { detectorDefinition } from '../../src/rails/compile.ts';
import { detectorsOf } from '../../src/rails/detectors/index.ts';
import { railByName, rails } from '../../src/rails/index.ts';
import { Machine } from '../../src/rails/matcher/machine.ts';
import { PlainLane } from '../../src/rails/matcher/plain-lane.ts';
import { scan } from '../../src/rails/pattern-rail.ts';
import { samplesOf } from './support/samples.ts';

const passage = (text: string, channel: Passage['channel'] = 'content'): Passage => ({
  text,
  channel,
  role: 'user',
  path: ['messages', 0, 'content'],
  message: 0,
});
const measure = (
  rail: string,
  text: string,
  types?: readonly string[],
  channel?: Passage['channel'],
): readonly Finding[] => {
  const measured = railByName(rail)!.measure(passage(text, channel), types);
  return measured.outcome === 'findings' ? measured.findings : [];
};

describe('the rails', () => {
  it('are listed once each, by name', () => {
    const names = rails.map((rail) => rail.name);
    expect(names).toEqual(['pii', 'secrets', 'injection']);
    for (const rail of rails) expect(railByName(rail.name)).toBe(rail);
    expect(railByName('toxicity')).toBeUndefined();
  });

  it('say clear of plain text, and findings with type, place, score and view but no value', () => {
    expect(railByName('pii')!.measure(passage('nothing here'))).toEqual({ outcome: 'clear' });
    expect(railByName('pii')!.measure(passage('mail a@b.org'))).toEqual({
      outcome: 'findings',
      findings: [{ rail: 'pii', type: 'email', start: 5, end: 12, score: 0.99, view: 'plain' }],
    });
  });

  it('look only for the types asked for', () => {
    const text = 'a@b.org 192.168.0.1';
    expect(measure('pii', text, ['ip']).map((one) => one.type)).toEqual(['ip']);
    expect(measure('pii', text, ['email', 'ip']).map((one) => one.type)).toEqual(['email', 'ip']);
    expect(measure('pii', text, [])).toEqual([]);
    expect(measure('pii', text, ['no_such_type'])).toEqual([]);
  });

  it('read tool arguments inside their scalars, with places in the JSON text', () => {
    const text = '{"to":"a\\u0040b.org","card":4111111111111111}';
    expect(measure('pii', text, undefined, 'tool_arguments')).toMatchObject([
      { type: 'email', start: 7, end: 19 },
      { type: 'card', start: 28, end: 44 },
    ]);
  });

  it('answer the same again: measuring leaves nothing behind', () => {
    fc.assert(
      fc.property(fc.constantFrom(...samplesOf('pii', 8)), fc.string({ maxLength: 20 }), (sample, noise) => {
        const text = `${noise} ${sample.before}${sample.value}`;
        const first = measure('pii', text);
        measure('pii', noise);
        expect(measure('pii', text)).toEqual(first);
      }),
      { numRuns: 100 },
    );
  });

  it.each([
    ['pii', piiAnchors],
    ['secrets', secretAnchors],
  ] as const)(
    'find in a %s passage what a stream of it finds, though plain stretches are passed over',
    (rail, anchors) => {
      const machine = new Machine(detectorsOf(rail).map((detector) => detectorDefinition(detector, rail, [])));
      const samples = samplesOf(rail, 21);
      const filler = fc.constantFrom(
        ' ',
        '. ',
        '\n',
        'plain words that say nothing and go on for a while ',
        'x'.repeat(90),
        '🙂 ',
        'café ',
        'https://example.org/path ',
        'CamelCaseName ',
        '12 ',
        'phone ',
        'aws_key = ',
        `${'lorem ipsum dolor sit amet '.repeat(12)}`,
      );
      const part = fc.oneof(
        filler,
        fc.constantFrom(...samples).map((one) => one.before + one.value + one.after),
      );
      fc.assert(
        fc.property(fc.array(part, { maxLength: 14 }), (parts) => {
          const text = parts.join('');
          const matches = (
            read: (note: (start: number, end: number, of: { type: string }) => void) => void,
          ): string[] => {
            const all: string[] = [];
            read((start, end, { type }) => all.push(`${type} ${start} ${end}`));
            return all.sort();
          };
          const whole = matches((note) => {
            const lane = new PlainLane(machine, note);
            lane.feed(text);
            lane.finish();
          });
          expect(matches((note) => scan(text, machine, anchors, note))).toEqual(whole);
        }),
        { numRuns: 300 },
      );
    },
  );

  it.each([
    ['pii', piiAnchors],
    ['secrets', secretAnchors],
  ] as const)('tell whether a %s passage has any stretch as finding its first one does', (_, anchors) => {
    const run = fc.tuple(fc.constantFrom('a', 'Z', '7', '-', '"', '.'), fc.integer({ min: 0, max: 22 }));
    const part = fc.oneof(
      run.map(([char, length]) => char.repeat(length)),
      fc.constantFrom(' ', ',', '\n', '://', 'ftp://', 'é', '🙂', '\u200b', 'word', 'Xy', '@', '٣'),
    );
    const told = new Set<boolean>();
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const text = parts.join('');
        const any = anchors.any(text);
        expect(any).toBe(anchors.next(text, 0) !== undefined);
        told.add(any);
      }),
      { numRuns: 2000 },
    );
    expect(told.size).toBe(2);
  });
});
