import { writeSync } from 'node:fs';
import { openPolicyFiles, openPolicySet } from '../../src/registry/index.ts';

// A process that publishes two policies together, over and over, and is killed while doing so.
const [directory = ''] = process.argv.slice(2);
const set = openPolicySet({
  shelf: openPolicyFiles(directory),
  base: { policies: [], default: 'allow', emptyAllowed: true },
  clock: Date.now,
});
const policy = (id: string, at: number) =>
  JSON.stringify({
    metadata: { id, version: `1.0.${at}` },
    rules: [
      { id: 'no', condition: { operator: 'eq', field: 'llm.model', value: `m${at}` }, action: { decision: 'deny' } },
    ],
  });
for (let at = set.revision + 1; ; at += 1) {
  await set.load([policy('one', at), policy('other', at)], 'child');
  writeSync(1, `${at}\n`);
}
