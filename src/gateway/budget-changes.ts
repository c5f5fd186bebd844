import { randomUUID } from 'node:crypto';
import { type CallerBudget, configuredBudget, nanoUsd } from '../callers/index.ts';
import type { Settings } from '../config.ts';
import { Failure, type Secret } from '../exchange/index.ts';
import { changeRecord, type RecordChange, type Trail } from '../observe/index.ts';
import { alertMarks } from '../pipeline/budget-alerts.ts';
import {
  type Ledger,
  type Override,
  type Scope,
  type ScopeKind,
  seriesKey,
  type Window,
  windowKey,
} from '../stores/index.ts';
import type { BudgetName, OverrideWish } from '../surfaces/http/admin-budgets.ts';
import { type ConfiguredLimit, configuredLimits } from './configured-limit.ts';
import { instantView, shown } from './counter-view.ts';

const kinds: readonly ScopeKind[] = ['organization', 'team', 'project', 'user', 'key', 'model', 'tag'];
const windows: readonly Window[] = ['minute', 'hour', 'day', 'week', 'month', 'total', 'rolling'];
const hour_ms = 3_600_000;

export interface ChangeParts {
  readonly ledger: Ledger;
  readonly trail: Pick<Trail, 'end'>;
  readonly serverSecret: Secret;
  settings(): Settings;
}

/** A budget that is meant, and whose it is. */
interface Meant {
  readonly organization: string;
  readonly budget: CallerBudget;
}

/**
 * What administrators change in budgets while the gateway runs: limits that stand in for configured ones, and counters set
 * to zero. Each change is in the ledger before it is answered, so the next call everywhere keeps to it, and is recorded.
 */
export class BudgetChanges {
  readonly #parts: ChangeParts;
  readonly #limitOf: ConfiguredLimit;

  constructor(parts: ChangeParts) {
    this.#parts = parts;
    this.#limitOf = configuredLimits(parts.settings, parts.serverSecret);
  }

  /** Those in force in these organisations. */
  async list(organizations: readonly string[]): Promise<readonly unknown[]> {
    const all = await Promise.all(
      organizations.map(async (id) =>
        (await this.#parts.ledger.overrides(id)).map((override) =>
          overrideView(id, override, this.#limitOf(id, override)),
        ),
      ),
    );
    return all.flat();
  }

  async set(wish: OverrideWish, by: string): Promise<unknown> {
    const { organization, budget } = this.#meant(wish);
    const limit = limitOf(wish);
    const expires_at_ms = wish.expires_at === undefined ? undefined : Date.parse(wish.expires_at);
    if (expires_at_ms !== undefined && expires_at_ms <= Date.now()) {
      throw new Failure('invalid_request', '`expires_at` is over already.', { param: 'expires_at' });
    }
    const override: Override = {
      budget: chosen(budget),
      limit,
      ...(expires_at_ms === undefined ? {} : { expires_at_ms }),
    };
    const before = await this.#standing(organization, budget);
    await this.#parts.ledger.override(organization, override);
    const view = overrideView(organization, override, budget.limit);
    await this.#record(organization, {
      action: 'budget.override',
      by,
      target: seriesKey(budget),
      before: limitView(budget, before?.limit ?? budget.limit, before?.expires_at_ms),
      after: limitView(budget, limit, expires_at_ms),
    });
    return view;
  }

  async clear(name: BudgetName, by: string): Promise<unknown> {
    const { organization, budget } = this.#meant(name);
    const before = await this.#standing(organization, budget);
    const cleared = await this.#parts.ledger.clearOverride(organization, chosen(budget));
    if (!cleared) {
      const message = `No other limit stands in for the configured one of ${name.scope}.`;
      throw new Failure('invalid_request', message, { status: 404 });
    }
    await this.#record(organization, {
      action: 'budget.override.clear',
      by,
      target: seriesKey(budget),
      before: limitView(budget, before?.limit ?? budget.limit, before?.expires_at_ms),
      after: limitView(budget, budget.limit, undefined),
    });
    return { cleared: true };
  }

  /** The counter of the current window. */
  async reset(name: BudgetName, by: string): Promise<unknown> {
    const { organization, budget } = this.#meant(name);
    const { ledger } = this.#parts;
    const now_ms = Date.now();
    const { key } = windowKey(budget, now_ms);
    const before = (await ledger.read(organization, [budget], [])).budgets[0];
    // What is spent from now on raises its alerts as in a new window.
    const marks = before === undefined ? [] : alertMarks(before);
    for (const mark of marks) await ledger.reset(organization, windowKey(mark, now_ms).key);
    if (!(await ledger.reset(organization, key))) {
      throw new Failure('invalid_request', `Nothing was counted yet in ${key}.`, { status: 404 });
    }
    const spent = `spent_${unitName(budget)}`;
    const change = { before: { [spent]: shown(unitName(budget), before?.spent ?? 0) }, after: { [spent]: 0 } };
    await this.#record(organization, { action: 'budget.reset', by, target: key, ...change });
    return { key, ...change };
  }

  async #standing(organization: string, budget: CallerBudget): Promise<Override | undefined> {
    const series = seriesKey(budget);
    return (await this.#parts.ledger.overrides(organization)).find((one) => seriesKey(one.budget) === series);
  }

  #record(organization: string, change: RecordChange): Promise<void> {
    const exchange = `ex_${randomUUID().replaceAll('-', '')}`;
    const told = { exchange, time_ms: Date.now(), organization, route: '/admin/v1/budgets', change };
    return this.#parts.trail.end(changeRecord(told));
  }

  /** Throws `invalid_request` where the configuration has no such budget: another limit for it would limit nothing. */
  #meant(name: BudgetName): Meant {
    const organization = this.#organization(name);
    const scope = scopeOf(name.scope);
    const window = windows.find((one) => one === name.window);
    if (window === undefined) {
      throw new Failure('invalid_request', `There is no window '${name.window}'; there is ${windows.join(', ')}.`, {
        param: 'window',
      });
    }
    const unit = name.unit === 'usd' ? 'nusd' : name.unit;
    const rolling = name.rolling_hours === undefined ? {} : { rolling_ms: name.rolling_hours * hour_ms };
    const budget = configuredBudget(organization, scope, { window, unit, ...rolling }, this.#parts.serverSecret);
    if (budget !== undefined) return { organization: organization.id, budget };
    const message = `The configuration gives ${name.scope} no ${window} budget in ${name.unit}: another limit would limit nothing.`;
    throw new Failure('invalid_request', message, { status: 404, param: 'scope' });
  }

  #organization({ organization: wanted }: BudgetName): Settings['organizations'][number] {
    const { organizations } = this.#parts.settings();
    const [only] = organizations;
    if (wanted === undefined && only !== undefined && organizations.length === 1) return only;
    const found = organizations.find(({ id }) => id === wanted);
    if (found !== undefined) return found;
    const message = wanted === undefined ? 'Say which `organization`.' : `There is no organization '${wanted}'.`;
    throw new Failure('invalid_request', message, { param: 'organization' });
  }
}

function scopeOf(text: string): Scope {
  const colon = text.indexOf(':');
  const kind = kinds.find((one) => one === text.slice(0, Math.max(0, colon)));
  const id = text.slice(colon + 1);
  if (kind !== undefined && id !== '') return { kind, id };
  const message = `'${text}' is no scope: write a kind (${kinds.join(', ')}), a colon and its name, as in team:research or user:research/jane.`;
  throw new Failure('invalid_request', message, { param: 'scope' });
}

/** The limit in the ledger's unit. Throws `invalid_request` for one it cannot count exactly. */
function limitOf({ unit, limit }: OverrideWish): number {
  const counted = unit === 'usd' ? nanoUsd(limit) : limit;
  if (counted !== undefined && Number.isSafeInteger(counted)) return counted;
  const rule = unit === 'usd' ? 'at most 9007199 dollars, with at most nine decimals' : 'a whole number';
  throw new Failure('invalid_request', `The limit must be ${rule}.`, { param: `limit_${unit}` });
}

function unitName({ unit }: Pick<Override['budget'], 'unit'>): 'usd' | 'tokens' | 'requests' {
  return unit === 'nusd' ? 'usd' : unit;
}

/** What tells a budget from others, and nothing else of it. */
function chosen({ scope, window, timeZone, rolling_ms, unit }: CallerBudget): Override['budget'] {
  return {
    scope,
    window,
    unit,
    ...(timeZone === undefined ? {} : { timeZone }),
    ...(rolling_ms === undefined ? {} : { rolling_ms }),
  };
}

function limitView(budget: CallerBudget, limit: number, expires_at_ms: number | undefined) {
  const unit = unitName(budget);
  return { [`limit_${unit}`]: shown(unit, limit), expires_at: instantView(expires_at_ms) };
}

function overrideView(
  organization: string,
  { budget, limit, expires_at_ms }: Override,
  configured: number | undefined,
) {
  const unit = unitName(budget);
  return {
    organization,
    key: seriesKey(budget),
    [`limit_${unit}`]: shown(unit, limit),
    [`configured_limit_${unit}`]: configured === undefined ? null : shown(unit, configured),
    expires_at: instantView(expires_at_ms),
  };
}
