import { nanoUsd } from './limits.ts';
import { withinTeam } from './scope-name.ts';
import type { BudgetSettings, LimitedSettings, LimitSettings, MatchSettings } from './settings.ts';

type Path = readonly (string | number)[];
export type Say = (path: Path, message: string) => void;

/** What is wrong with the budgets and limits of one section, beyond its schema. */
export function limitComplaints({ budgets, limits }: LimitedSettings, at: Path, say: Say): void {
  budgetComplaints(budgets, [...at, 'budgets'], say);
  rateComplaints(limits, [...at, 'limits'], say);
}

/** Of a section that names each one. */
export function namedComplaints(named: Readonly<Record<string, LimitedSettings>>, at: Path, say: Say): void {
  for (const [name, limited] of Object.entries(named)) limitComplaints(limited, [...at, name], say);
}

/** Of the limits of models and tags. */
export function matchComplaints(owner: Matching, at: Path, say: Say): void {
  for (const section of matchSections) {
    const seen = new Set<string>();
    for (const [index, entry] of owner[section].entries()) {
      const path = [...at, section, index];
      if (seen.has(entry.match))
        say([...path, 'match'], `'${entry.match}' is there twice: they would share one counter`);
      seen.add(entry.match);
      if (entry.budgets.length === 0 && Object.keys(entry.limits).length === 0) say(path, 'limits nothing');
      limitComplaints(entry, path, say);
    }
  }
}

type Matching = { readonly [section in (typeof matchSections)[number]]: readonly MatchSettings[] };
const matchSections = ['model_limits', 'tag_limits'] as const;

/** A team's entries are counted under `team/match`, which an organisation may have as `provider/model`, or as a tag. */
export function sharedComplaints(
  organization: Matching,
  team: Matching & { readonly id: string },
  at: Path,
  say: Say,
): void {
  for (const section of matchSections) {
    for (const [index, { match }] of team[section].entries()) {
      const name = withinTeam(team.id, match);
      if (!organization[section].some((entry) => entry.match === name)) continue;
      const message = `'${match}' of team '${team.id}' and '${name}' of its organization would share one counter`;
      say([...at, section, index, 'match'], message);
    }
  }
}

function rateComplaints(limits: LimitSettings, at: Path, say: Say): void {
  const { queue_ms, on_loss, ...rates } = limits;
  for (const [key, given] of Object.entries({ queue_ms, on_loss })) {
    if (given !== undefined && Object.keys(rates).length === 0) say([...at, key], `'${key}' needs a limit beside it`);
  }
  for (const [key, limit] of Object.entries(rates)) {
    if (limit > Number.MAX_SAFE_INTEGER) say([...at, key], 'must be at most 2^53');
  }
}

const units = ['limit_usd', 'limit_tokens', 'limit_requests'] as const;

function budgetComplaints(budgets: readonly BudgetSettings[], at: Path, say: Say): void {
  const counters = new Set<string>();
  for (const [index, budget] of budgets.entries()) {
    const path = [...at, index];
    const given = units.filter((unit) => budget[unit] !== undefined);
    if (given.length !== 1) say(path, 'a budget has exactly one of limit_usd, limit_tokens, limit_requests');
    if (budget.limit_usd !== undefined && nanoUsd(budget.limit_usd) === undefined) {
      say([...path, 'limit_usd'], 'must be at most 9007199 dollars, with at most nine decimals');
    }
    for (const unit of ['limit_tokens', 'limit_requests'] as const) {
      if ((budget[unit] ?? 0) > Number.MAX_SAFE_INTEGER) say([...path, unit], 'must be at most 2^53');
    }
    windowComplaints(budget, path, say);
    exceedComplaints(budget, path, say);
    const window = budget.window === 'rolling' ? `rolling ${budget.rolling_hours} hours` : budget.window;
    const counter = `${window} ${given.join()}`;
    if (counters.has(counter)) say(path, `a second budget for the same ${window}: they would share one counter`);
    counters.add(counter);
  }
}

function windowComplaints(budget: BudgetSettings, path: Path, say: Say): void {
  const rolling = budget.window === 'rolling';
  if (rolling && budget.rolling_hours === undefined) say(path, "a rolling window needs 'rolling_hours'");
  if (!rolling && budget.rolling_hours !== undefined) {
    say([...path, 'rolling_hours'], `'rolling_hours' is for 'window: rolling', not for '${budget.window}'`);
  }
  if (!knownZone(budget.time_zone)) say([...path, 'time_zone'], `'${budget.time_zone}' is not a known time zone`);
  else if (budget.time_zone !== 'UTC' && (rolling || budget.window === 'total')) {
    say([...path, 'time_zone'], `a window that is '${budget.window}' turns in no time zone`);
  }
}

function exceedComplaints(budget: BudgetSettings, path: Path, say: Say): void {
  const { on_exceed } = budget;
  if (on_exceed === 'substitute' && budget.substitute_model === undefined) {
    say([...path, 'on_exceed'], "'substitute' needs 'substitute_model'");
  }
  if (on_exceed !== 'substitute' && budget.substitute_model !== undefined) {
    say([...path, 'substitute_model'], "'substitute_model' is for 'on_exceed: substitute'");
  }
  if (on_exceed !== 'throttle' && budget.queue_ms !== undefined) {
    say([...path, 'queue_ms'], "'queue_ms' is for 'on_exceed: throttle'");
  }
  if (on_exceed === 'warn' && budget.on_loss !== undefined) {
    say([...path, 'on_loss'], "a budget that only warns refuses nobody: 'on_loss' would mean nothing");
  }
}

function knownZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
