import { fact, type PolicyFunction } from './function.ts';

const scopes = ['organization', 'team', 'project', 'user', 'key', 'model'];
const windows = ['minute', 'hour', 'day'];
const name = /^[A-Za-z0-9_][A-Za-z0-9_-]*$/;
const budget = (figure: string) => fact([scopes], (scope = '') => `budget.${scope}.${figure}`);
const provider = (figure: string) => fact([name], (id = '') => `provider.${id}.${figure}`);
const team = {
  usage: { team: { requests_per_hour: 12, tokens_per_day: 9000, concurrent: 3 } },
  budget: { team: { limit_usd: 50, spent_usd: 40, held_usd: 1, remaining_usd: 9, used_percent: 82 } },
};
const openai = { provider: { openai: { healthy: true, errorRate: 0.02, latency_ms: 310 } } };

/** Functions that read the world: each stands for a fact, which is computed once, recorded, and the same in a replay. */
export const usageFunctions: readonly PolicyFunction[] = [
  {
    name: 'requestCount',
    family: 'usage',
    signatures: ['(string, string) double'],
    gives: 'the requests of a scope in the current window: `minute`, `hour`, `day`',
    cost: 1,
    aliases: ['RequestCount', 'GetRequestCount'],
    example: ['requestCount("team", "hour")', 12, team],
    is: fact([scopes, windows], (scope, window) => `usage.${scope}.requests_per_${window}`),
  },
  {
    name: 'tokenUsage',
    family: 'usage',
    signatures: ['(string, string) double'],
    gives: 'the tokens of a scope in the current window',
    cost: 1,
    aliases: ['TokenUsage', 'GetTokenUsage', 'GetTokenCount'],
    example: ['tokenUsage("team", "day")', 9000, team],
    is: fact([scopes, windows], (scope, window) => `usage.${scope}.tokens_per_${window}`),
  },
  {
    name: 'concurrentRequests',
    family: 'usage',
    signatures: ['(string) double'],
    gives: 'the calls of a scope that run now, this one not counted',
    cost: 1,
    aliases: ['ConcurrentRequests', 'GetConcurrentRequests', 'GetActiveRequests'],
    example: ['concurrentRequests("team")', 3, team],
    is: fact([scopes], (scope) => `usage.${scope}.concurrent`),
  },
  {
    name: 'periodSpending',
    family: 'usage',
    signatures: ['(string) double'],
    gives: 'the dollars spent of the tightest budget of a scope',
    cost: 1,
    aliases: ['PeriodSpending', 'GetPeriodSpending', 'GetSpending'],
    example: ['periodSpending("team")', 40, team],
    is: budget('spent_usd'),
  },
  {
    name: 'budgetLimit',
    family: 'usage',
    signatures: ['(string) double'],
    gives: 'the dollars of that budget',
    cost: 1,
    aliases: ['BudgetLimit', 'GetBudgetLimit'],
    example: ['budgetLimit("team")', 50, team],
    is: budget('limit_usd'),
  },
  {
    name: 'budgetHeld',
    family: 'usage',
    signatures: ['(string) double'],
    gives: 'the dollars held of it for calls that run',
    cost: 1,
    aliases: ['BudgetHeld'],
    example: ['budgetHeld("team")', 1, team],
    is: budget('held_usd'),
  },
  {
    name: 'budgetRemaining',
    family: 'usage',
    signatures: ['(string) double'],
    gives: 'the dollars left of it',
    cost: 1,
    aliases: ['BudgetRemaining', 'GetRemainingBudget', 'GetBudgetRemaining'],
    example: ['budgetRemaining("team")', 9, team],
    is: budget('remaining_usd'),
  },
  {
    name: 'budgetUsedPercent',
    family: 'usage',
    signatures: ['(string) double'],
    gives: 'how many percent of it are used',
    cost: 1,
    aliases: ['BudgetUsedPercent', 'GetBudgetUsage', 'GetBudgetUsedPercent'],
    example: ['budgetUsedPercent("team") >= 80', true, team],
    is: budget('used_percent'),
  },
  {
    name: 'errorRate',
    family: 'usage',
    signatures: ['(string) double'],
    gives: "the share of a provider's calls that failed",
    cost: 1,
    aliases: ['ErrorRate', 'GetErrorRate'],
    example: ['errorRate("openai")', 0.02, openai],
    is: provider('errorRate'),
  },
  {
    name: 'providerHealthy',
    family: 'usage',
    signatures: ['(string) bool'],
    gives: 'whether a provider answers',
    cost: 1,
    aliases: ['ProviderHealthy', 'IsProviderHealthy'],
    example: ['providerHealthy("openai")', true, openai],
    is: provider('healthy'),
  },
  {
    name: 'providerLatency',
    family: 'usage',
    signatures: ['(string) double'],
    gives: "a provider's milliseconds to answer",
    cost: 1,
    aliases: ['ProviderLatency', 'GetProviderLatency'],
    example: ['providerLatency("openai")', 310, openai],
    is: provider('latency_ms'),
  },
];
