// Trains the n-gram model of the injection rail: node bench/injection-train.mjs <data folder> [--write]
// Prints what it does for families it has not seen (leave one source out) beside those it has; --write keeps the weights.
import { writeFileSync } from 'node:fs';
import { groupOf, load, readData } from './injection-data.mjs';

const [folder, ...options] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: node bench/injection-train.mjs <folder of labelled data> [--write]');
  process.exit(2);
}
const m = await load('bench/injection-inside.ts', 'injection-inside');
const { benign, attacks } = readData(folder);

// Sets of one origin are one family: what was copied between them must not be on both sides.
const families = {
  wild: ['in_the_wild', 'dan', 'gptfuzzer', 'jbb_jbc', 'tap'],
  extraction: ['prompt_extraction'],
  hijack: ['giskard'],
  random_search: ['jbb_random_search'],
  sap: ['sap200'],
  themes: ['langkit'],
};
const capped = { random_search: 40, sap: 400 };
// Requests for harmful texts by a role, not attacks on the instructions: judged, but not trained on, since their shape is
// that of any benign role prompt.
const untrained = new Set(['sap']);

const rows = [];
const seen = new Set();
function add(text, label, source) {
  const group = groupOf(text);
  if (group === '' || seen.has(group)) return;
  seen.add(group);
  const tokens = m.tokensOf(text.slice(0, 16_000));
  const segments = [];
  for (let from = 0; from < tokens.count; from += m.segment_words >> 1) {
    const to = Math.min(tokens.count, from + m.segment_words);
    if (to - from < m.words_min) break;
    segments.push(Int32Array.from(m.featuresOf(tokens, from, to)));
    if (to === tokens.count) break;
  }
  if (segments.length === 0) return;
  // A hash of the group decides the fold, so a run gives the same answer each time.
  let fold = 7;
  for (const c of group) fold = (fold * 31 + c.charCodeAt(0)) >>> 0;
  rows.push({
    text,
    label,
    source,
    segments,
    fold: fold % 100,
    words: Math.min(tokens.count, m.segment_words),
    rules: m.ruleLogOdds(text),
  });
}
for (const [family, sets] of Object.entries(families)) {
  let texts = sets.flatMap((set) => attacks[set]);
  if (capped[family] !== undefined) texts = texts.filter((_, i) => i % Math.ceil(texts.length / capped[family]) === 0);
  for (const text of texts) add(text, 1, family);
}
for (const [source, texts] of Object.entries(benign)) for (const text of texts) add(text, 0, source);
for (const text of m.hardBenign ?? []) add(text, 0, 'hard');
const count = (label) => rows.filter((row) => row.label === label).length;
console.log(`${rows.length} distinct texts: ${count(1)} attacks, ${count(0)} benign`);

/** Logistic regression by AdaGrad over the segments, L2-normalised presence features; deterministic. */
function train(given) {
  const train = given.filter((row) => !untrained.has(row.source));
  const w = new Float64Array(m.cells);
  const g = new Float64Array(m.cells).fill(1e-6);
  let bias = 0;
  let gb = 1e-6;
  const df = new Int32Array(m.cells);
  for (const row of train) for (const f of new Set(row.segments.flatMap((s) => [...s]))) df[f]++;
  const perFamily = {};
  for (const row of train) perFamily[row.source] = (perFamily[row.source] ?? 0) + 1;
  const positives = train.filter((row) => row.label === 1).length;
  const list = train.flatMap((row) =>
    row.segments.map((s) => ({
      features: s.filter((f) => df[f] >= 3),
      n: s.length,
      label: row.label,
      // Small families count for more, so that a large one does not drown them; classes weigh about 1 to 4.
      weight:
        ((row.label === 1 ? (train.length - positives) / positives / 3 : 1) *
          (row.label === 1 ? Math.min(3, Math.sqrt(300 / perFamily[row.source])) : 1)) /
        row.segments.length,
    })),
  );
  let seed = 12345;
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  const rate = 0.5;
  const decay = 2e-5;
  for (let epoch = 0; epoch < 12; epoch++) {
    for (let i = list.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [list[i], list[j]] = [list[j], list[i]];
    }
    for (const { features, n, label, weight } of list) {
      const value = 1 / Math.sqrt(n);
      let z = bias;
      for (const f of features) z += w[f] * value;
      const error = (1 / (1 + Math.exp(-z)) - label) * weight;
      gb += error * error;
      bias -= (0.1 * error) / Math.sqrt(gb);
      for (const f of features) {
        const d = error * value + decay * w[f];
        g[f] += d * d;
        w[f] -= (rate * d) / Math.sqrt(g[f] + 1e-3);
      }
    }
  }
  const most = w.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  // 127 steps up to four fifths of the largest weight; the few larger ones are cut.
  const scale = (0.8 * most) / 127;
  const cells = Int8Array.from(w, (x) => Math.max(-127, Math.min(127, Math.round(x / scale))));
  return { bias, scale, cells };
}

const judge = (row, weights) =>
  Math.max(
    ...row.segments.map((s) => {
      let total = 0;
      for (const f of s) total += weights.cells[f];
      return weights.bias + (weights.scale * total) / Math.sqrt(s.length);
    }),
  );
const joint = (row, weights) =>
  row.rules + m.modelWeight({ logOdds: judge(row, weights), from: 0, to: row.words }, true);
const at = (scores, share) => [...scores].sort((a, b) => b - a)[Math.floor(scores.length * share)];
const percent = (x) => `${(100 * x).toFixed(1)} %`.padStart(8);
const recall = (list, threshold) => list.filter((s) => s > threshold).length / list.length;

// Benign texts are split in halves by group: one trains, the other sets the threshold at 1 % false alarms.
const held = (row) => row.label === 0 && row.fold < 40;
console.log('\nfamily (never seen)     texts   rules at 1 %  model at 1 %  joint at 1 %   joint at shipped');
const macro = [0, 0, 0, 0];
for (const family of Object.keys(families)) {
  const weights = train(rows.filter((row) => row.source !== family && !held(row)));
  const quiet = rows.filter(held);
  const loud = rows.filter((row) => row.source === family);
  const figures = [
    recall(
      loud.map((r) => r.rules),
      at(
        quiet.map((r) => r.rules),
        0.01,
      ),
    ),
    recall(
      loud.map((r) => judge(r, weights)),
      at(
        quiet.map((r) => judge(r, weights)),
        0.01,
      ),
    ),
    recall(
      loud.map((r) => joint(r, weights)),
      at(
        quiet.map((r) => joint(r, weights)),
        0.01,
      ),
    ),
    recall(
      loud.map((r) => joint(r, weights)),
      0,
    ),
  ];
  figures.forEach((f, i) => {
    macro[i] += f / Object.keys(families).length;
  });
  console.log(`${family.padEnd(22)} ${String(loud.length).padStart(6)}   ${figures.map(percent).join('      ')}`);
}
console.log(`${'macro'.padEnd(22)} ${''.padStart(6)}   ${macro.map(percent).join('      ')}`);

console.log('\nfamily (seen, other texts)  rules at shipped  joint at shipped');
{
  const weights = train(rows.filter((row) => row.fold >= 40));
  for (const family of Object.keys(families)) {
    const loud = rows.filter((row) => row.source === family && row.fold < 40);
    console.log(
      `${family.padEnd(22)} ${String(loud.length).padStart(6)}   ${percent(
        recall(
          loud.map((r) => r.rules),
          0,
        ),
      )}     ${percent(
        recall(
          loud.map((r) => joint(r, weights)),
          0,
        ),
      )}`,
    );
  }
}
console.log('\nbenign (source never seen)   false alarms: rules, joint');
for (const source of [...new Set(rows.filter((r) => r.label === 0).map((r) => r.source))]) {
  const weights = train(rows.filter((row) => row.source !== source));
  const quiet = rows.filter((row) => row.source === source);
  console.log(
    `${source.padEnd(26)} ${String(quiet.length).padStart(6)}   ${percent(
      recall(
        quiet.map((r) => r.rules),
        0,
      ),
    )}     ${percent(
      recall(
        quiet.map((r) => joint(r, weights)),
        0,
      ),
    )}`,
  );
}

if (options.includes('--write')) {
  const weights = train(rows);
  const bytes = [];
  for (let i = 0; i < weights.cells.length; ) {
    let zeros = 0;
    while (zeros < 255 && weights.cells[i + zeros] === 0) zeros++;
    if (zeros >= 2) {
      bytes.push(0x80, zeros);
      i += zeros;
    } else bytes.push(weights.cells[i++] & 0xff);
  }
  while (bytes.length % 3 !== 0) bytes.push(0x80, 0);
  const cells = Buffer.from(bytes).toString('base64').replace(/=+$/, '');
  writeFileSync(
    'src/rails/injection/weights.ts',
    `import type { PackedWeights } from './model.ts';\n\n/** Written by bench/injection-train.mjs; not edited by hand. */\nexport const weights: PackedWeights = {\n  bias: ${Number(weights.bias.toPrecision(8))},\n  scale: ${Number(weights.scale.toPrecision(8))},\n  cells:\n    '${cells}',\n};\n`,
  );
  console.log(
    `\nwrote ${cells.length} characters of weights, ${weights.cells.filter((c) => c !== 0).length} cells in use`,
  );
}
