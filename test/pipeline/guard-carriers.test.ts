import { describe, expect, test } from 'vitest';
import { expectRedacted, expectUntouched, inPieces, loadOf, placesOf, twoWays } from '../support/carried.ts';
import { allEscaped, type Carrier, carriers, streamOf } from '../support/carriers.ts';
import { type Forbidden, forbidden, redactReplies } from '../support/forbidden.ts';
import { guarded, programOf, type Sides, wayName } from '../support/guarded.ts';

const program = programOf([redactReplies]);
const clients = ['openai-chat', 'anthropic-messages'] as const;
const pick = (type: string) => forbidden.find((one) => one.type === type && one.value.length < 200)!;
/** One of each kind: what ends by a check, by its length, by what follows; with no longest form; literal; expression. */
const kinds: readonly Forbidden[] = [
  forbidden[0]!,
  forbidden[1]!,
  ...['iban', 'email', 'phone', 'ip', 'jwt', 'private_key', 'own'].map(pick),
  forbidden.at(-1)!,
];

function valuesFor(carrier: Carrier): readonly Forbidden[] {
  return carrier.numbers ? kinds.filter(({ value }) => /^\d+$/.test(value)) : kinds;
}

async function streams(carrier: Carrier, sides: Sides): Promise<void> {
  for (const value of valuesFor(carrier)) {
    const load = loadOf(carrier, value);
    const through = sides.provider === sides.client;
    const cuts = [...twoWays(load.text, placesOf(load, through ? 4 : 2)), inPieces(load.text, through ? [1] : [3, 8])];
    for (const [turn, pieces] of cuts.entries()) {
      const spell = turn % 3 === 0 ? allEscaped : JSON.stringify;
      const outcome = await guarded(program, sides, streamOf(carrier, pieces, spell));
      expectRedacted(carrier, load, sides, outcome);
      if (!through) continue;
      const text = expectUntouched(carrier, pieces, outcome.bytes, spell);
      if (carrier.document === undefined) expect(text).toBe(load.redacted);
    }
  }
}

describe.each(carriers.map((carrier) => ({ name: `${carrier.provider}, ${carrier.name}`, carrier })))(
  '$name',
  ({ carrier }) => {
    for (const client of clients) {
      for (const stream of [true, false]) {
        const sides: Sides = { provider: carrier.provider, client, stream };
        if (!stream && carrier.plain === undefined) continue;
        test(`nothing forbidden leaves: ${wayName(sides)}`, async () => {
          if (stream) {
            await streams(carrier, sides);
            return;
          }
          for (const value of valuesFor(carrier)) {
            const load = loadOf(carrier, value);
            const outcome = await guarded(program, sides, [carrier.plain!(JSON.stringify(load.text))]);
            expectRedacted(carrier, load, sides, outcome);
            if (carrier.document === undefined && client === carrier.provider) {
              expect(outcome.bytes.toString()).toBe(carrier.plain!(JSON.stringify(load.redacted)));
            }
          }
        });
      }
    }
  },
);
