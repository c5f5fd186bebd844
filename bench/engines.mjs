// The engines in process: policy decisions, the streaming matcher, the input rails. The ledger has its own program.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { compileMatcher, rails } from '../dist/rails/index.js';
import { comparisonRows, loadRows, moduleRows, policyRows } from './policies.mjs';
import { here, median } from './rig.mjs';

/** Median of five runs of `work`, in seconds a run, after one that does not count. */
function timed(work) {
  work();
  return median(
    Array.from({ length: 5 }, () => {
      const at = performance.now();
      work();
      return (performance.now() - at) / 1000;
    }),
  );
}

export async function engines() {
  const policies = [await policyRows(), await moduleRows(), await loadRows(), await comparisonRows()];
  return [...policies, matcherRows(), ledgerRows()].filter((rows) => rows !== undefined);
}

const prose =
  'In the spring the river rises slowly over the meadows, and the people of the valley move their boats to higher ground before the first storms arrive from the west. '.repeat(
    6400,
  );

function matcherRows() {
  const matcher = compileMatcher([
    { kind: 'rail', rail: 'pii' },
    { kind: 'rail', rail: 'secrets' },
  ]);
  const megabytes = prose.length / 1e6;
  const fed = (size) =>
    timed(() => {
      const lane = matcher.lane({ channel: 'content' });
      for (let at = 0; at < prose.length; at += size) lane.feed(prose.slice(at, at + size));
      lane.finish();
    });
  const passage = { text: prose, role: 'user', channel: 'content', path: [], message: 0 };
  const measured = timed(() => {
    for (const rail of rails) if (rail.name !== 'injection') rail.measure(passage);
  });
  const injection = rails.find(({ name }) => name === 'injection');
  const prompt = { ...passage, text: prose.slice(0, 2048) };
  const scored = timed(() => {
    for (let index = 0; index < 200; index += 1) injection?.measure(prompt);
  });
  return [
    ['rails', 'figure'],
    ['streaming matcher, PII and secrets, fed 4 characters at a time', `${(megabytes / fed(4)).toFixed(0)} MB/s`],
    ['streaming matcher, fed whole', `${(megabytes / fed(1 << 20)).toFixed(0)} MB/s`],
    ['PII and secret rails over prose', `${(megabytes / measured).toFixed(0)} MB/s`],
    ['injection score of a 2 KB prompt', `${((scored / 200) * 1e6).toFixed(0)} us`],
  ];
}

/** The ledger's program prints one machine-readable line a store. */
function ledgerRows() {
  const { stdout, status } = spawnSync(process.execPath, [join(here, 'ledger.mjs')], { encoding: 'utf8' });
  if (status !== 0) return undefined;
  const line = stdout.split('\n').findLast((one) => one.startsWith('{'));
  const { results = [] } = line === undefined ? {} : JSON.parse(line);
  return [
    ['ledger, reserve and settle', 'us a pair', 'CPU us a pair', 'Redis CPU us a pair', 'pairs a Redis core second'],
    ...results.map((row) => [
      `${row.store}, ${row.limits}`,
      row.us_per_pair,
      row.cpu_us_per_pair,
      row.redis_cpu_us_per_pair ?? '',
      row.pairs_per_redis_core_second ?? '',
    ]),
  ];
}
