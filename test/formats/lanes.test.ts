import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Channel, Lane } from '../../src/exchange/index.ts';
import { Lanes } from '../../src/formats/lanes.ts';
import { ChoicesSeen } from '../../src/formats/openai-chat/choices-seen.ts';

const channel = fc.constantFrom<Channel>('content', 'reasoning', 'tool_arguments', 'other');
const small = fc.integer({ min: 0, max: 2 });
const asked = fc.oneof(
  fc.record({ how: fc.constantFrom('of', 'joining'), choice: small, channel, index: small }),
  fc.record({ how: fc.constant('unknown'), choice: small, channel: fc.constant<Channel>('other'), index: small }),
  fc.record({ how: fc.constant('alone'), choice: small, channel: fc.constant<Channel>('other'), index: small }),
);

describe('the lanes of a reply', () => {
  it('are one for each place, whichever place was the first, and count up as they appear', () => {
    fc.assert(
      fc.property(fc.array(asked, { maxLength: 12 }), (list) => {
        const lanes = new Lanes();
        const known = new Map<string, Lane>();
        let slots = 0;
        for (const { how, choice, channel, index } of list) {
          const lane =
            how === 'of'
              ? lanes.of(choice, channel, index)
              : how === 'joining'
                ? lanes.joining(choice, channel, index)
                : how === 'unknown'
                  ? lanes.unknown(choice, `field ${index}`)
                  : lanes.alone(choice);
          const place = how === 'unknown' ? `${choice} field ${index}` : `${choice} ${channel} ${index}`;
          const before = how === 'alone' ? undefined : known.get(place);
          if (before !== undefined) expect(lane).toBe(before);
          else {
            expect(lane).toMatchObject({ slot: slots, choice });
            slots += 1;
            if (how !== 'alone') known.set(place, lane);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('the choices of a reply', () => {
  it('finish once each, and the reply has when all it spoke of have', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ choice: small, ends: fc.boolean() }), { maxLength: 12 }), (list) => {
        const choices = new ChoicesSeen();
        const finished = new Map<number, boolean>();
        expect(choices.finished).toBe(false);
        for (const { choice, ends } of list) {
          choices.see(choice);
          const before = finished.get(choice) === true;
          if (ends) expect(choices.finish(choice)).toBe(!before);
          finished.set(choice, before || ends);
          expect(choices.finished).toBe([...finished.values()].every(Boolean));
        }
        expect(choices.finish(7)).toBe(false);
      }),
      { numRuns: 500 },
    );
  });
});
