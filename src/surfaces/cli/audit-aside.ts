import type { Aside } from '../../observe/index.ts';
import { type CommandContext, exit } from './command.ts';
import { shownTime } from './output.ts';

/** Shows what is set aside, and how many of it were taken where it was just tried again. */
export function showAside({ json, out }: CommandContext, aside: readonly Aside[], taken: number | undefined): number {
  if (json) {
    const rows = aside.map(({ at_ms, ...rest }) => ({ time: new Date(at_ms).toISOString(), ...rest }));
    out.json({ ...(taken === undefined ? {} : { taken }), aside: rows });
  } else {
    if (taken !== undefined) out.print(`${taken} ${taken === 1 ? 'record was' : 'records were'} taken.`);
    if (aside.length === 0) out.print('Nothing is set aside.');
    else
      out.table(
        ['time (utc)', 'spool', 'record', 'sink', 'reason'],
        aside.map(({ at_ms, spool, seq, sink, reason }) => [shownTime(at_ms), spool, String(seq), sink, reason]),
      );
  }
  return aside.length === 0 ? exit.fine : exit.found;
}
