// Expressions of CEL: ns of CPU an evaluation, compiled beforehand, beside two other implementations on the same expressions and
// the same facts in one run. `node bench/cel.mjs` after `npm run build`; `--quick` for a shorter one.
import { celEnv, parse as parseTheirs, plan } from '@bufbuild/cel';
import { Environment } from '@marcbachmann/cel-js';
import { compile, decide, parsePolicies } from '../dist/policy/index.js';
import { compileWhen } from '../dist/policy/when.js';

const rounds = process.argv.includes('--quick') ? 3 : 7;
const aim_ms = process.argv.includes('--quick') ? 50 : 200;

const facts = {
  llm: {
    model: 'gpt-4o',
    estimatedCost: 0.06,
    estimatedTokens: 400.0,
    prompt: 'How do tomatoes grow in a cold climate?',
    tools: ['search'],
  },
  team: { id: 'team-7', tier: 'free' },
  user: { roles: ['dev', 'reader'] },
  metadata: { department: 'research', level: 3.0 },
};

const rules = [
  ['two comparisons', 'llm.estimatedTokens < 500.0 && llm.estimatedCost > 0.05'],
  ['equalities and a list', 'team.tier == "free" && llm.model in ["gpt-4o", "claude"] && !("admin" in user.roles)'],
  ['arithmetic', 'llm.estimatedCost * 100.0 + metadata.level > 8.0'],
  ['texts', 'llm.model.startsWith("gpt") && metadata.department.contains("sea") && llm.prompt.endsWith("?")'],
  ['a conditional', '(team.tier == "free" ? llm.estimatedCost : 0.0) > 0.05'],
  ['a macro over two', 'user.roles.exists(r, r == "admin" || r.startsWith("read"))'],
  ['a pattern', 'llm.prompt.matches("[tT]omato(es)?")'],
];

function median(list) {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
}

/** ns of CPU a call: as many calls a round as take the time aimed at, the median of the rounds. */
function measured(work) {
  let calls = 1000;
  const round = () => {
    const at = process.cpuUsage();
    let kept = 0;
    for (let i = 0; i < calls; i++) if (work()) kept++;
    if (kept !== calls) throw new Error('a rule did not match');
    const { user, system } = process.cpuUsage(at);
    return (user + system) * 1000;
  };
  for (;;) {
    const ns = round();
    if (ns > aim_ms * 2e5) {
      calls = Math.ceil((calls * aim_ms * 1e6) / ns);
      break;
    }
    calls *= 4;
  }
  return median(Array.from({ length: rounds }, () => round() / calls));
}

const environment = new Environment({ unlistedVariablesAreDyn: true });
const bufbuild = celEnv();

const rows = rules.map(([name, text]) => {
  const node = compileWhen(text, 'request', {});
  const hidden = compileWhen(`cel.bind(one, 1, ${text})`, 'request', {});
  const policy = {
    metadata: { id: 'p', version: '1.0.0' },
    rules: [{ id: 'r', when: text, action: { decision: 'deny', reason: 'no' } }],
  };
  const program = compile(parsePolicies(JSON.stringify(policy)));
  const theirs = plan(bufbuild, parseTheirs(text));
  const bachmann = environment.parse(text);
  return [
    name,
    measured(() => node.test(facts) === 1),
    measured(() => hidden.test(facts) === 1),
    measured(() => !decide(program, 'request', facts).allowed),
    measured(() => bachmann(facts) === true),
    measured(() => theirs(facts) === true),
  ];
});

const headings = ['ns an evaluation', 'rule', 'CEL alone', 'decision', 'cel-js', '@bufbuild/cel'];
const lines = [headings, ...rows.map(([name, ...figures]) => [name, ...figures.map((one) => one.toFixed(0))])];
const widths = headings.map((_, at) => Math.max(...lines.map((line) => line[at].length)));
for (const line of lines)
  console.log(line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at]))).join('  '));
console.log(
  JSON.stringify({
    bench: 'cel',
    unit: 'ns',
    rows: Object.fromEntries(rows.map(([name, ...figures]) => [name, figures.map(Math.round)])),
  }),
);
