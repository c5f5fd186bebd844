// Exact counting of tokens: megabytes a second over texts of several kinds, and what a table takes to load.
// node bench/tokens.mjs [--rounds 5]; needs `npm run build` first.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } });
const rounds = Number(values.rounds);
const dist = new URL('../dist/providers/tokens/', import.meta.url);
const { loadTable } = await import(new URL('load-table.js', dist).href).catch((error) => {
  console.error(`the built counter is missing (${error.message}); run: npm run build`);
  process.exit(3);
});
const { countTokens } = await import(new URL('count.js', dist).href);

const english = ['README.md', 'docs/policies.md', 'docs/operations.md', 'docs/budgets-and-rates.md']
  .map((file) => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8'))
  .join('\n')
  .replaceAll(/[^\x20-\x7e\n]/g, ' ');
const texts = {
  English: english.repeat(Math.ceil(1e6 / english.length)),
  Chinese: '网关在请求发出之前计算它可能花费的费用。'.repeat(17_000),
  'one letter': 'a'.repeat(1e6),
  emoji: '😀🚀👍'.repeat(80_000),
};

const began = performance.now();
const table = await loadTable('o200k_base');
const load_ms = performance.now() - began;
const result = { load_ms: Math.round(load_ms), mb_per_second: {} };
for (const [name, text] of Object.entries(texts)) {
  const megabytes = Buffer.byteLength(text) / 1e6;
  const speeds = [];
  for (let round = 0; round < rounds; round += 1) {
    const start = performance.now();
    countTokens(table, 'o200k_base', text);
    speeds.push(megabytes / ((performance.now() - start) / 1000));
  }
  speeds.sort((a, b) => a - b);
  result.mb_per_second[name] = Number(speeds[Math.floor(speeds.length / 2)].toFixed(1));
}
console.log(`tokens: table of o200k_base loaded in ${result.load_ms} ms`);
for (const [name, speed] of Object.entries(result.mb_per_second)) console.log(`  ${name}: ${speed} MB/s`);
console.log(JSON.stringify(result));
