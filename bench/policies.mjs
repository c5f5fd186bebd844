// The policy engine by itself: decisions, loading and changing a set, and the same rules in other engines. All figures are CPU
// time of this process. `node bench/policies.mjs` after `npm run build`; `--quick` for a shorter one.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { celEnv, parse as parseTheirs, plan } from '@bufbuild/cel';
import { Environment } from '@marcbachmann/cel-js';
import asc from 'assemblyscript/asc';
import { VerdictCache } from '../dist/gateway/verdict-cache.js';
import { compile, decide, evaluateContext, evaluateWith, PolicyTexts, parsePolicies } from '../dist/policy/index.js';
import { compileWhen } from '../dist/policy/when.js';
import { openWasmPool, readModule, trustedRunner } from '../dist/rails/index.js';
import { openPolicyFiles, openPolicySet } from '../dist/registry/index.js';
import { table } from './rig.mjs';

const quick = process.argv.includes('--quick');
const rounds = quick ? 3 : 7;
const aim_ms = quick ? 30 : 150;

function median(list) {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
}

function cpuOf(work) {
  const at = process.cpuUsage();
  const kept = work();
  const { user, system } = process.cpuUsage(at);
  return { ms: (user + system) / 1000, kept };
}

/** Microseconds of CPU a call: as many calls a round as take the time aimed at, the median of the rounds. */
async function measured(work) {
  let calls = 64;
  const round = async () => {
    const at = process.cpuUsage();
    for (let i = 0; i < calls; i++) {
      const answer = work();
      if ((answer instanceof Promise ? await answer : answer) !== true) throw new Error('a rule did not match');
    }
    const { user, system } = process.cpuUsage(at);
    return user + system;
  };
  for (;;) {
    const us = await round();
    if (us > aim_ms * 1000) break;
    calls = Math.ceil(calls * Math.min(20, Math.max(2, (aim_ms * 1000) / Math.max(us, 1))));
  }
  const figures = [];
  for (let i = 0; i < rounds; i++) figures.push((await round()) / calls);
  return median(figures);
}

const readme = `
metadata: { id: free-tier-cost-cap, name: Free tier cost cap, version: 1.2.0, priority: 100 }
params: { cap_usd: 1.0 }
rules:
  - id: deny-expensive
    condition:
      operator: and
      conditions:
        - { operator: gt, field: llm.estimatedCost, value: "\${params.cap_usd}" }
        - { operator: eq, field: team.tier, value: free }
    action: { decision: deny, reason: "Cost is over the free tier's limit" }
`;

const ruleOf = (index, reason = 'Too dear') => `metadata: { id: p${index}, name: P, version: 1.0.0 }
rules:
  - id: r
    condition:
      operator: and
      conditions:
        - { operator: eq, field: team.id, value: team-${index} }
        - { operator: gt, field: llm.estimatedCost, value: 1 }
    action: { decision: deny, reason: ${reason} }
`;

/** Rules that share their equalities: 4 tiers, 4 regions, 8 models; none is found by one of them alone. */
const crowdedOf = (index) => `metadata: { id: c${index}, version: 1.0.0 }
rules:
  - id: r
    condition:
      operator: and
      conditions:
        - { operator: eq, field: team.tier, value: tier-${index % 4} }
        - { operator: eq, field: user.region, value: region-${(index >> 2) % 4} }
        - { operator: eq, field: llm.model, value: model-${(index >> 4) % 8} }
        - { operator: gt, field: llm.estimatedCost, value: ${index} }
    action: { decision: deny, reason: Too dear }
`;

const facts = {
  llm: { model: 'gpt-4o', estimatedCost: 1.5, estimatedTokens: 300 },
  team: { id: 'team-7', tier: 'free' },
};

const denied =
  (program, given = facts) =>
  () =>
    !decide(program, 'request', given).allowed;

export async function policyRows() {
  const texts = (count, one) => Array.from({ length: count }, (_, index) => one(index)).join('---\n');
  const compiled = (text) => compile(parsePolicies(text), { default: 'allow' });
  const rows = [['policy engine', 'us a decision']];
  const row = async (name, work) => rows.push([name, (await measured(work)).toFixed(3)]);
  const one = compiled(readme);
  await row("the README's policy, whole decision", denied(one));
  const told = readme.replace('Cost is', `Cost \${llm.estimatedCost} is`);
  await row('the same with the price in its reason (nothing is kept from the call before)', denied(compiled(told)));
  const clock = { now: () => 1_767_600_000_000, elapsed: () => 0 };
  await row('the same as a decision record (facts, principal, time)', () => {
    return !evaluateContext(one, facts, { requestId: 'bench', clock }).decision.allowed;
  });
  await row('1000 rules, indexed', denied(compiled(texts(1000, ruleOf))));
  await row('10000 rules, indexed', denied(compiled(texts(10_000, ruleOf))));
  const crowded = {
    llm: { model: 'model-3', estimatedCost: 50 },
    team: { tier: 'tier-1' },
    user: { region: 'region-0' },
  };
  await row('1000 rules that share three equalities', denied(compiled(texts(1000, crowdedOf)), crowded));
  const cel = compileWhen('llm.estimatedTokens < 500 && llm.estimatedCost * 2.0 > params.cap', 'request', { cap: 1 });
  await row('a CEL rule of a comparison and arithmetic', () => cel.test(facts) === 1);
  return rows;
}

export async function loadRows() {
  const texts = Array.from({ length: 10_000 }, (_, index) => ({ path: `p${index}.yaml`, text: ruleOf(index) }));
  const together = texts.map(({ text }) => text).join('---\n');
  const rows = [['loading and changing 10,000 policies', 'ms']];
  // The first load is what a start costs: nothing is warm.
  rows.push([
    'from one YAML file, in a process that has loaded nothing',
    cpuOf(() => compile(parsePolicies(together))).ms.toFixed(0),
  ]);
  // As a gateway starts and reloads.
  const known = new PolicyTexts();
  const base = (from) => ({ ...known.read(from), default: 'deny' });
  const shelf = mkdtempSync(join(tmpdir(), 'llm-policy-bench-'));
  let set;
  const load = () => {
    set = openPolicySet({ shelf: openPolicyFiles(shelf), base: base(texts), clock: Date.now });
    return set.program();
  };
  const change = (changed) => {
    const next = set.rebase(base(changed));
    next.commit();
    return set.program();
  };
  rows.push(['from 10,000 YAML files', cpuOf(load).ms.toFixed(0)]);
  const changes = [];
  for (let i = 0; i < 31; i++) {
    const changed = [...texts];
    changed[i * 311] = { path: `p${i * 311}.yaml`, text: ruleOf(i * 311, `Much too dear ${i}`) };
    changes.push(cpuOf(() => change(changed)).ms);
  }
  rows.push(['one of them changed, median', median(changes).toFixed(1)]);
  set.close();
  rmSync(shelf, { recursive: true });
  return rows;
}

const template = readFileSync(new URL('../examples/wasm/assemblyscript/rule.ts', import.meta.url), 'utf8');

async function assembled(source) {
  let bytes;
  const options = '--runtime stub --optimize --use abort= --initialMemory 2 --maximumMemory 32'.split(' ');
  const { error } = await asc.main(['rule.ts', '--outFile', 'rule.wasm', ...options], {
    readFile: (name) => (name === 'rule.ts' ? source : null),
    writeFile: (_, contents) => {
      bytes = contents;
    },
    listFiles: () => [],
  });
  if (error !== null) throw error;
  return readModule(bytes);
}

/** Rules of modules: in the thread, in the pool one by one and many at once, and from the cache. */
export async function moduleRows() {
  const rule = await assembled(template);
  // A few hundred thousand steps: what a module that searches a long text takes.
  const slow = await assembled(
    template.replace(
      'if (tokens < 0)',
      'for (let i = 0; i < 400000; i++) store<i32>(64, load<i32>(64) ^ i);\n  if (tokens < 0)',
    ),
  );
  const text = `metadata: { id: long }\nrules: [{ id: r, wasm: { module: r.wasm, inputs: [llm.estimatedTokens, llm.prompt] }, action: { decision: deny } }]\n`;
  const program = compile(parsePolicies(text), { default: 'allow' });
  const vouched = compile(parsePolicies(text.replace('llm.prompt]', 'llm.prompt], trusted: true')), {
    default: 'allow',
  });
  const clock = { now: () => 1_767_600_000_000, elapsed: () => 0 };
  const asked = { llm: { estimatedTokens: 5_000 } };
  const prompt = { llm: { estimatedTokens: 5_000, prompt: 'word '.repeat(400) } };
  const denies = (of, facts, run) => () => {
    const answer = evaluateWith(of, facts, { requestId: 'bench', clock, modules: { run } });
    const denied = ({ decision }) => !decision.allowed && decision.unable.length === 0;
    return answer instanceof Promise ? answer.then(denied) : denied(answer);
  };
  const pool = openWasmPool();
  const pooled = (module) => (_call, input) => pool.evaluate(module, input, 60_000);
  const cache = new VerdictCache();
  const cached = (module) => (_call, input) => {
    return cache.answer({ tenant: 'a', module: module.hash, input }, { ttl_ms: 3_600_000, shared: false }, () =>
      pool.evaluate(module, input, 60_000),
    );
  };
  const inThread = (module) => {
    const run = trustedRunner(module.module, module.pages);
    return (_call, input) => run(input);
  };
  const many = (work, count) => async () => (await Promise.all(Array.from({ length: count }, work))).every(Boolean);
  const rows = [
    ['a rule of a module, whole decision record', 'us, a short input', 'us, a prompt of 2 KB', 'us, a slow module'],
  ];
  const row = async (name, of, run, shape = (work) => [work, 1]) => {
    const figures = [];
    for (const [facts, module] of [
      [asked, rule],
      [prompt, rule],
      [asked, slow],
    ]) {
      const [work, count] = shape(denies(of, facts, run(module)));
      figures.push(((await measured(work)) / count).toFixed(2));
    }
    rows.push([name, ...figures]);
  };
  await row('trusted, in the thread', vouched, inThread);
  await row('pooled, one after the other', program, pooled);
  await row('pooled, 64 at once', program, pooled, (work) => [many(work, 64), 64]);
  await row('pooled, said before and kept', program, cached);
  await pool.close();
  return rows;
}

/** The same rules elsewhere: a team's calls over a price are refused. Every engine answers for the last of the rules' teams. */
export async function comparisonRows() {
  const counts = [1, 100, 1000];
  const engines = [
    ['this engine, whole decision', ours],
    ['@marcbachmann/cel-js, an expression a rule', bachmann],
    ['@bufbuild/cel, an expression a rule', bufbuild],
    ['@cedar-policy/cedar-wasm, set parsed beforehand', cedar],
    ['json-rules-engine', jsonRules],
    ['@gorules/zen-engine, a decision table', zen],
  ];
  const rows = [
    ['us a decision, the same rules', ...counts.map((count) => `${count} ${count === 1 ? 'rule' : 'rules'}`)],
  ];
  for (const [name, make] of engines) {
    const figures = [];
    for (const count of counts) figures.push((await measured(await make(count))).toFixed(count === 1 ? 2 : 1));
    rows.push([name, ...figures]);
  }
  return rows;
}

const asked = (count) => ({ llm: { estimatedCost: 1.5 }, team: { id: `team-${count - 1}` } });
const expressionOf = (index) => `team.id == "team-${index}" && llm.estimatedCost > 1.0`;
const list = (count, one) => Array.from({ length: count }, (_, index) => one(index));

function ours(count) {
  return denied(compile(parsePolicies(list(count, (at) => ruleOf(at)).join('---\n'))), asked(count));
}

function bachmann(count) {
  const environment = new Environment({ unlistedVariablesAreDyn: true });
  const rules = list(count, (index) => environment.parse(expressionOf(index)));
  const given = asked(count);
  return () => rules.some((rule) => rule(given) === true);
}

function bufbuild(count) {
  const environment = celEnv();
  const rules = list(count, (index) => plan(environment, parseTheirs(expressionOf(index))));
  const given = asked(count);
  return () => rules.some((rule) => rule(given) === true);
}

/** Its numbers are whole: the price is in cents. */
async function cedar(count) {
  const engine = createRequire(import.meta.url)('@cedar-policy/cedar-wasm/nodejs');
  const rules = list(
    count,
    (index) => `forbid(principal, action, resource) when { context.team == "team-${index}" && context.cents > 100 };`,
  );
  const id = `rules-${count}`;
  const staticPolicies = `permit(principal, action, resource);\n${rules.join('\n')}`;
  const parsed = engine.preparsePolicySet(id, { staticPolicies });
  if (parsed.type !== 'success') throw new Error(JSON.stringify(parsed));
  const call = {
    principal: { type: 'User', id: 'u' },
    action: { type: 'Action', id: 'chat' },
    resource: { type: 'Model', id: 'gpt-4o' },
    context: { team: `team-${count - 1}`, cents: 150 },
    preparsedPolicySetId: id,
    entities: [],
  };
  return () => {
    const answer = engine.statefulIsAuthorized(call);
    return answer.type === 'success' && answer.response.decision === 'deny';
  };
}

async function jsonRules(count) {
  const { Engine } = await import('json-rules-engine');
  const engine = new Engine(
    list(count, (index) => ({
      conditions: {
        all: [
          { fact: 'team', operator: 'equal', value: `team-${index}` },
          { fact: 'cost', operator: 'greaterThan', value: 1 },
        ],
      },
      event: { type: 'deny' },
    })),
  );
  const given = { team: `team-${count - 1}`, cost: 1.5 };
  return async () => (await engine.run(given)).events.length === 1;
}

async function zen(count) {
  const { ZenEngine } = await import('@gorules/zen-engine');
  const content = {
    nodes: [
      { id: 'in', type: 'inputNode', name: 'in', position: { x: 0, y: 0 } },
      {
        id: 'table',
        type: 'decisionTableNode',
        name: 'table',
        position: { x: 1, y: 0 },
        content: {
          hitPolicy: 'first',
          inputs: [
            { id: 'team', name: 'team', type: 'expression', field: 'team.id' },
            { id: 'cost', name: 'cost', type: 'expression', field: 'llm.estimatedCost' },
          ],
          outputs: [{ id: 'deny', name: 'deny', type: 'expression', field: 'deny' }],
          rules: list(count, (index) => ({ _id: `r${index}`, team: `"team-${index}"`, cost: '> 1', deny: 'true' })),
        },
      },
      { id: 'out', type: 'outputNode', name: 'out', position: { x: 2, y: 0 } },
    ],
    edges: [
      { id: 'a', sourceId: 'in', targetId: 'table', type: 'edge' },
      { id: 'b', sourceId: 'table', targetId: 'out', type: 'edge' },
    ],
  };
  const decision = new ZenEngine().createDecision(Buffer.from(JSON.stringify(content)));
  const given = asked(count);
  return async () => (await decision.evaluate(given)).result.deny === true;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const tables = [await loadRows(), await policyRows(), await moduleRows(), await comparisonRows()];
  for (const rows of tables) console.log(`\n${table(rows)}`);
  console.log(`\n${JSON.stringify({ bench: 'policies', unit: 'us', tables })}`);
}
