// A gateway of the build in dist/, in a process of its own: `everything` on, or nothing but keys.
import '../dist/gateway/ticks.js';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig, problemText } from '../dist/config.js';
import { openFleet } from '../dist/gateway/fleet.js';
import { leaveStartBehind, tuneHeap } from '../dist/gateway/heap.js';
import { openGateway } from '../dist/gateway.js';

const [provider, mode, redisUrl] = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), 'llm-policy-bench-'));
const everything = mode !== 'keys';
const workers = Number(process.env.BENCH_WORKERS ?? 1);
/** Slices of budgets are taken out of Redis, instead of a round trip for each call. */
const leased = process.env.BENCH_LEASED === '1';
const policyCount = Number(process.env.BENCH_POLICIES ?? 50);

mkdirSync(join(directory, 'providers'));
mkdirSync(join(directory, 'policies'));
writeFileSync(
  join(directory, 'providers', 'bench.yaml'),
  `id: bench
format: openai
base_url: ${provider}/v1
auth: { type: bearer, key: "\${BENCH_KEY}" }
models:
  bench-model: { input_usd_per_mtok: 1, output_usd_per_mtok: 2, context_tokens: 128000, output_tokens_max: 4096 }
`,
);
for (let index = 0; index < (everything ? policyCount - 2 : 1); index += 1) {
  writeFileSync(
    join(directory, 'policies', `p${index}.yaml`),
    `metadata: { id: p${index}, name: Policy ${index}, version: 1.0.0, priority: ${index % 7} }
rules:
  - id: tier
    condition:
      operator: and
      conditions:
        - { operator: eq, field: team.tier, value: tier-${index} }
        - { operator: gt, field: llm.estimatedCost, value: ${index + 1} }
    action: { decision: deny, reason: Too dear }
`,
  );
}
if (everything) {
  writeFileSync(
    join(directory, 'policies', 'request-rails.yaml'),
    `metadata: { id: request-rails, name: Request rails, version: 1.0.0 }
rules:
  - id: redact
    action: { decision: modify, redact: { rails: [pii, secrets] }, reason: Personal data }
`,
  );
  writeFileSync(
    join(directory, 'policies', 'response-rails.yaml'),
    `metadata: { id: response-rails, name: Response rails, version: 1.0.0 }
rules:
  - id: redact
    on: response
    action: { decision: modify, redact: { rails: [pii, secrets] }, reason: Personal data }
`,
  );
}
if (process.env.BENCH_INJECTION === '1') {
  writeFileSync(
    join(directory, 'policies', 'injection.yaml'),
    `metadata: { id: injection, name: Injection, version: 1.0.0 }
rules:
  - id: deny
    condition: { operator: gte, field: rails.injection.score, value: 0.9 }
    action: { decision: deny, reason: Injection }
`,
  );
}
const limits = everything
  ? `
        budgets: [{ window: day, limit_usd: 1000000 }, { window: month, limit_usd: 8000000 }]
        limits: { requests_per_minute: 100000000, tokens_per_minute: 100000000000, concurrent: 100000 }`
  : '';
writeFileSync(
  join(directory, 'gateway.yaml'),
  `server: { port: 0, workers: ${workers} }
admin: { port: 0 }
metrics: { port: 0 }
state: { driver: ${redisUrl === undefined ? 'embedded' : 'redis'}, path: ${join(directory, 'data')}${redisUrl === undefined ? '' : `, url: "\${BENCH_REDIS}", deadline_ms: 2000`}${leased ? ', mode: leased' : ''} }
providers: [${join(directory, 'providers')}]
policies: { path: ${join(directory, 'policies')} }
organizations:
  - id: acme
    teams:
      - id: research
        tier: pro
        keys: ["\${BENCH_TEAM_KEY}"]${limits}
audit: { sinks: [{ type: file, path: ${join(directory, 'data', 'audit')} }] }
telemetry: { log_level: warn }
`,
);
const env = { BENCH_KEY: 'upstream-key', BENCH_TEAM_KEY: 'bench-team-key-0123456789', BENCH_REDIS: redisUrl ?? '' };
const load = () => loadConfig({ file: join(directory, 'gateway.yaml'), env, cwd: directory, base: directory });
const loaded = await load();
if (loaded.settings === undefined) throw new Error(loaded.problems.map(problemText).join('\n'));
tuneHeap();
const gateway = await (workers > 1 ? openFleet : openGateway)({ loaded, load, watch: false });
leaveStartBehind();
console.log(JSON.stringify({ ready: true, address: gateway.addresses.data }));
process.on('SIGTERM', async () => {
  await gateway.close();
  rmSync(directory, { recursive: true, force: true });
  process.exit(0);
});
