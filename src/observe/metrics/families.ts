import { Counters, Gauges, Histograms, Peaks } from './series.ts';

/** Seconds, from a tenth of a millisecond. */
const fine = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];
/** Seconds a provider takes. */
const coarse = [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600];
/** Seconds of a decision, from a tenth of a microsecond. */
const tiny = [1e-7, 2.5e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 1e-4, 1e-3, 1e-2];
const characters = [0, 1, 4, 16, 64, 256, 1024, 4096, 16384];

const budgetLabels = ['organization', 'scope', 'id', 'window'];

/** Every metric of the contract, by the name the recorders use. */
export function families() {
  return {
    requests: new Counters(
      'llm_gateway_requests_total',
      'Exchanges that are over',
      ['team', 'model', 'provider', 'decision', 'status'],
      5000,
    ),
    overhead: new Histograms('llm_gateway_overhead_seconds', 'What the gateway added to a call', fine),
    upstream: new Histograms('llm_gateway_upstream_seconds', 'What the provider took', coarse, ['model', 'provider']),
    firstToken: new Histograms('llm_gateway_first_token_seconds', 'Until the first piece of a reply', coarse, [
      'model',
      'provider',
    ]),
    tokens: new Counters(
      'llm_gateway_tokens_total',
      'Tokens by kind; input includes cached, output includes reasoning',
      ['team', 'model', 'provider', 'kind'],
      5000,
    ),
    cost: new Counters('llm_gateway_cost_usd_total', 'Cost settled', ['team', 'model', 'provider']),
    budgetLimit: new Gauges('llm_gateway_budget_limit_usd', 'Limit of a budget', budgetLabels),
    budgetSpent: new Gauges('llm_gateway_budget_spent_usd', 'Spent in the current window', budgetLabels),
    budgetHeld: new Gauges('llm_gateway_budget_held_usd', 'Held for calls under way', budgetLabels),
    budgetWarnings: new Counters(
      'llm_gateway_budget_warnings_total',
      'Budgets that passed a percent they warn at, once for each window; users and keys are not named',
      [...budgetLabels, 'percent'],
      2000,
    ),
    reservations: new Gauges('llm_gateway_reservations', 'Holds open'),
    drift: new Gauges(
      'llm_gateway_ledger_drift_usd',
      'Counters against the entries they come from, at the last reconciliation',
    ),
    debt: new Counters('llm_gateway_debt_usd_total', 'Cost settled beyond what was held for the calls', []),
    findings: new Counters('llm_gateway_rail_findings_total', 'What rails found', ['rail', 'type'], 1000),
    rail: new Histograms('llm_gateway_rail_seconds', 'Time of a rail over one exchange', fine, ['rail']),
    held: new Histograms('llm_gateway_held_characters', 'Most characters a stream held back at once', characters),
    circuits: new Peaks(
      'llm_gateway_provider_circuit_open',
      '1 while the circuit of a provider is open',
      ['provider'],
      100,
    ),
    retries: new Counters('llm_gateway_retries_total', 'Attempts after the first', ['provider'], 100),
    inflight: new Gauges('llm_gateway_inflight', 'Exchanges under way'),
    lag: new Peaks(
      'llm_gateway_event_loop_lag_seconds',
      'Delay of the event loop since the last scrape',
      ['quantile'],
      10,
    ),
    evaluations: new Counters('llm_policy_evaluations_total', 'Decisions', ['decision'], 100),
    rules: new Counters(
      'llm_policy_rule_total',
      'Matches of rules that name a counter',
      ['metric', 'policy', 'rule'],
      1000,
    ),
    verdicts: new Counters(
      'llm_policy_verdicts_total',
      'Verdicts of modules: run, cached, or skipped since they could change nothing',
      ['outcome'],
      10,
    ),
    evaluation: new Histograms('llm_policy_evaluation_seconds', 'Time of a decision', tiny),
    program: new Peaks('llm_policy_program_info', '1 for the program in force', ['program'], 10),
    spooled: new Polled('llm_audit_spooled_total', 'Records appended to the spool'),
    delivered: new Polled('llm_audit_delivered_total', 'Records a sink has taken', ['sink'], 50),
    failed: new Polled('llm_audit_failed_total', 'Records of failed deliveries; they are tried again', ['sink'], 50),
    aside: new Gauges(
      'llm_audit_aside',
      'Records a sink would not take, set aside until they are tried again',
      ['sink'],
      50,
    ),
    missing: new Polled(
      'llm_audit_missing_total',
      'Records a sink never gets: their segment was removed before it had them',
      ['sink'],
      50,
    ),
    waiting: new Gauges('llm_audit_waiting', 'Records in the spool that the slowest sink has not taken'),
    spoolBytes: new Gauges('llm_audit_spool_bytes', 'Bytes of the spool on disk'),
    workers: new Gauges('llm_gateway_workers', 'Processes that take calls'),
    workerRestarts: new Counters(
      'llm_gateway_worker_restarts_total',
      'Workers replaced: after a crash, or one by one because somebody asked',
      ['worker', 'reason'],
      600,
    ),
  };
}

/** Counters that somebody else counts. */
class Polled extends Gauges {
  protected override readonly type: string = 'counter';
}

export type Families = ReturnType<typeof families>;
