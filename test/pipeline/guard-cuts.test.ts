import { describe, expect, test } from 'vitest';
import { expectRedacted, expectUntouched, inPieces, loadOf, placesOf, twoWays } from '../support/carried.ts';
import { allEscaped, carriers, streamOf } from '../support/carriers.ts';
import { forbidden, redactReplies } from '../support/forbidden.ts';
import { everyWay, guarded, programOf, wayName } from '../support/guarded.ts';

const program = programOf([redactReplies]);
const contents = carriers.filter(({ name }) => name === 'content' || name === 'text');

describe.each(everyWay.map((sides) => ({ name: wayName(sides), sides })))('$name', ({ sides }) => {
  const carrier = contents.find(({ provider }) => provider === sides.provider)!;

  test.each(forbidden.map((value) => ({ type: value.type, length: value.value.length, value })))(
    'no byte of a $type ($length characters) leaves, wherever the reply is cut',
    async ({ value }) => {
      const load = loadOf(carrier, value);
      if (!sides.stream) {
        expectRedacted(
          carrier,
          load,
          sides,
          await guarded(program, sides, [carrier.plain!(JSON.stringify(load.text))]),
        );
        return;
      }
      const cuts = [
        [load.text],
        ...twoWays(load.text, placesOf(load)),
        inPieces(load.text, [1]),
        inPieces(load.text, [2]),
        inPieces(load.text, [7, 1, 3]),
        inPieces(load.text, [97]),
      ];
      for (const pieces of cuts) {
        const outcome = await guarded(program, sides, streamOf(carrier, pieces));
        expectRedacted(carrier, load, sides, outcome);
        if (sides.provider === sides.client) {
          expect(expectUntouched(carrier, pieces, outcome.bytes, JSON.stringify)).toBe(load.redacted);
        }
      }
      const pieces = inPieces(load.text, [5, 1]);
      const spelled = await guarded(program, sides, streamOf(carrier, pieces, allEscaped));
      expectRedacted(carrier, load, sides, spelled);
      if (sides.provider === sides.client) {
        expect(expectUntouched(carrier, pieces, spelled.bytes, allEscaped)).toBe(load.redacted);
      }
    },
  );
});
