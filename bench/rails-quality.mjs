// Recall and precision of the rails' detectors over public data, and false alarms over plain answers.
//   node bench/rails-quality.mjs DATA [BUILD]
// DATA is a folder with presidio_research, gitleaks, secretlint_fixtures and prose sets; BUILD the compiled sources
// (default: dist beside this script's parent).
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const data = process.argv[2];
const build = resolve(process.argv[3] ?? join(import.meta.dirname, '..', 'dist'));
if (data === undefined || !existsSync(data)) {
  console.error('usage: node bench/rails-quality.mjs DATA [BUILD]');
  process.exit(2);
}
const load = (file) => import(pathToFileURL(join(build, file)).href);
const { railByName } = await load('rails/index.js');
const { readPattern } = await load('rails/matcher/syntax.js');
const verbose = process.argv.includes('--verbose');

const percent = (part, whole) => (whole === 0 ? '  n/a' : `${((100 * part) / whole).toFixed(1)}%`.padStart(6));
const passage = (text, channel = 'content') => ({ text, channel, role: 'user', path: [], message: 0 });
const findingsOf = (rail, text, types) => {
  const measured = railByName(rail).measure(passage(text), types);
  return measured.outcome === 'findings' ? measured.findings : [];
};

function personalData() {
  const rows = JSON.parse(readFileSync(join(data, 'presidio_research', 'synth_dataset_v2.json'), 'utf8'));
  const names = {
    CREDIT_CARD: 'card',
    IBAN_CODE: 'iban',
    US_SSN: 'us_ssn',
    EMAIL_ADDRESS: 'email',
    PHONE_NUMBER: 'phone',
    IP_ADDRESS: 'ip',
  };
  const tally = {};
  for (const type of Object.values(names)) tally[type] = { wanted: 0, hit: 0, exact: 0, found: 0, right: 0 };
  for (const row of rows) {
    const found = findingsOf('pii', row.full_text);
    const spans = row.spans.filter((span) => names[span.entity_type] !== undefined);
    for (const span of spans) {
      const entry = tally[names[span.entity_type]];
      entry.wanted += 1;
      const hit = found.filter((one) => one.start < span.end_position && span.start_position < one.end);
      const same = hit.find((one) => one.type === names[span.entity_type]);
      if (same !== undefined) entry.hit += 1;
      else if (verbose) console.log('  missed', span.entity_type, JSON.stringify(span.entity_value));
      if (same?.start === span.start_position && same.end === span.end_position) entry.exact += 1;
    }
    for (const one of found) {
      const entry = tally[one.type];
      entry.found += 1;
      const right = spans.some(
        (span) =>
          names[span.entity_type] === one.type && one.start < span.end_position && span.start_position < one.end,
      );
      if (right) entry.right += 1;
      else if (verbose)
        console.log('  false', one.type, JSON.stringify(row.full_text.slice(one.start - 20, one.end + 5)));
    }
  }
  console.log(`\nPII, presidio_research (${rows.length} texts)`);
  console.log('type      wanted  recall  exact  found  precision');
  for (const [type, t] of Object.entries(tally)) {
    console.log(
      `${type.padEnd(9)} ${String(t.wanted).padStart(6)}  ${percent(t.hit, t.wanted)} ${percent(t.exact, t.wanted)} ` +
        `${String(t.found).padStart(6)}  ${percent(t.right, t.found)}`,
    );
  }
}

/** A text the tree matches; characters from printable ASCII. */
function sample(tree, random) {
  const pick = (list) => list[Math.floor(random() * list.length)];
  switch (tree.kind) {
    case 'set': {
      const chars = [];
      for (let i = 0; i < tree.set.length; i += 2) {
        for (let point = Math.max(33, tree.set[i]); point <= Math.min(126, tree.set[i + 1]); point += 1)
          chars.push(point);
      }
      return chars.length === 0 ? String.fromCodePoint(tree.set[0] ?? 32) : String.fromCharCode(pick(chars));
    }
    case 'sequence':
      return tree.parts.map((part) => sample(part, random)).join('');
    case 'choice':
      return sample(pick(tree.options), random);
    case 'repeat': {
      const spread = tree.most === Infinity ? 3 : tree.most - tree.least;
      const times = tree.least + Math.floor(random() * (Math.min(spread, 12) + 1));
      return Array.from({ length: times }, () => sample(tree.of, random)).join('');
    }
    default:
      return '';
  }
}

function seeded(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function gitleaks() {
  const text = readFileSync(join(data, 'gitleaks', 'gitleaks.toml'), 'utf8');
  const rules = text.split('[[rules]]').slice(1);
  const random = seeded(7);
  const groups = { 'fixed prefix': [0, 0], 'keyword before a value': [0, 0], 'no prefix': [0, 0] };
  // Told by what stands around or at the end of them, or by nothing.
  const without = /^(azure-ad-client-secret|curl-|facebook-access-token|freemius|kubernetes-secret|maxmind|nuget)/;
  for (const rule of rules) {
    const id = /^id = "(.*)"/m.exec(rule)?.[1] ?? '';
    const source = /^regex = '''(.*)'''/m.exec(rule)?.[1];
    if (source === undefined) continue;
    const keyed = source.includes('[\\w.-]{0,50}?') && !source.includes('|\\b(');
    // A family's key is written as its expression spells it, not in any case.
    const spelled = keyed ? source : source.replaceAll(/\(\?-?i:/g, '(?:').replaceAll('(?i)', '');
    const tree = readPattern(spelled, { fold: false, ignoreCase: false, own: false });
    let hits = 0;
    const tries = 20;
    let example = '';
    for (let i = 0; i < tries; i += 1) {
      const value = sample(tree, random).trim();
      const whole = `const value = '${value}'\n`;
      if (findingsOf('secrets', whole).length > 0) hits += 1;
      else example = value;
    }
    const group = groups[keyed ? 'keyword before a value' : without.test(id) ? 'no prefix' : 'fixed prefix'];
    group[1] += 1;
    if (hits >= tries * 0.9) group[0] += 1;
    else if (verbose) console.log(`  ${keyed ? 'keyed' : 'missed'} ${id} ${hits}/${tries} ${example.slice(0, 90)}`);
  }
  console.log('\nSecrets, gitleaks families found in at least 18 of 20 samples made from their expressions');
  for (const [name, [found, all]] of Object.entries(groups))
    console.log(`${name.padEnd(24)} ${found}/${all} ${percent(found, all)}`);
}

/** Fixtures that are no text of a secret's shape: file names, home directories, whole manifests, made-up rules. */
const notShapes = /no-dotenv|no-homedir|no-k8s|rule-pattern|rule-example|filter-comments|secretlintrc|\.p12$/;

function secretlint() {
  const folder = join(data, 'secretlint_fixtures');
  const tally = { ng: [0, 0], ok: [0, 0] };
  for (const file of readdirSync(folder)) {
    const kind = /__(ng|ok)\./.exec(file)?.[1];
    if (kind === undefined || notShapes.test(file) || file.includes('ok.allows')) continue;
    const text = readFileSync(join(folder, file), 'utf8');
    const found = findingsOf('secrets', text);
    const right = kind === 'ng' ? found.length > 0 : found.length === 0;
    tally[kind][1] += 1;
    if (right) tally[kind][0] += 1;
    else if (verbose)
      console.log(
        `  ${file}`,
        JSON.stringify(found.map((one) => [one.type, text.slice(one.start, one.end).slice(0, 60)])),
      );
  }
  console.log('\nSecrets, secretlint fixtures');
  console.log(`ng found   ${tally.ng[0]}/${tally.ng[1]} ${percent(...tally.ng)}`);
  console.log(
    `ok silent  ${tally.ok[0]}/${tally.ok[1]} ${percent(...tally.ok)}  (a fixture may hold another rule's secret)`,
  );
}

function falseAlarms() {
  console.log('\nFindings in plain instructions and answers');
  for (const set of ['self_instruct', 'gpteacher', 'awesome_chatgpt_prompts', 'ifeval', 'fastchat_bench']) {
    const folder = join(data, set);
    if (!existsSync(folder)) continue;
    const texts = [];
    for (const file of readdirSync(folder))
      if (/\.(json|jsonl|csv)$/.test(file)) collect(readFileSync(join(folder, file), 'utf8'), texts);
    const counts = {};
    for (const text of texts) {
      for (const rail of ['pii', 'secrets']) {
        for (const one of findingsOf(rail, text)) {
          counts[one.type] = (counts[one.type] ?? 0) + 1;
          if (verbose)
            console.log('  ', one.type, JSON.stringify(text.slice(Math.max(0, one.start - 25), one.end + 10)));
        }
      }
    }
    console.log(`${set.padEnd(24)} ${String(texts.length).padStart(6)} texts  ${JSON.stringify(counts)}`);
  }
}

function collect(raw, into) {
  const walk = (value) => {
    if (typeof value === 'string') {
      if (value.length > 40) into.push(value);
    } else if (value !== null && typeof value === 'object') for (const inner of Object.values(value)) walk(inner);
  };
  try {
    walk(JSON.parse(raw));
  } catch {
    for (const line of raw.split('\n')) {
      try {
        walk(JSON.parse(line));
      } catch {
        walk(line);
      }
    }
  }
}

personalData();
gitleaks();
secretlint();
falseAlarms();
