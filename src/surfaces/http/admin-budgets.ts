import type { FastifyInstance, FastifyRequest } from 'fastify';
import { instantOf } from '../instant.ts';
import { spendingCsv } from '../spending-csv.ts';
import { type Field, type Fields, fieldsOf, isText, momentOf, queryOf, refused, timeForm } from './admin-input.ts';

/** A budget's counter as people see it, amounts in dollars. */
export interface CounterView {
  readonly organization: string;
  readonly key: string;
  readonly [field: string]: unknown;
}

/** Which budget, as people name it: `team:research`, `user:research/jane`. */
export interface BudgetName {
  /** May be left out where there is one. */
  readonly organization?: string;
  readonly scope: string;
  readonly window: string;
  readonly rolling_hours?: number;
  readonly unit: 'usd' | 'tokens' | 'requests';
}

/** A limit to stand in for the configured one. */
export interface OverrideWish extends BudgetName {
  readonly limit: number;
  readonly expires_at?: string;
}

export interface SpendingQuery {
  readonly organization: string | undefined;
  /** Unix ms; from the one on and before the other. */
  readonly since: number | undefined;
  readonly until: number | undefined;
  readonly by: readonly string[];
}

/** What the admin listener may ask about money. `by` is who asks. Refused changes are thrown as failures. */
export interface BudgetPorts {
  /** Counters of an organisation, or of all. */
  budgets(organization: string | undefined): Promise<readonly CounterView[]>;
  /** Where counters and entries differ; repaired where asked. */
  reconcile(organization: string | undefined, repair: boolean, by: string): Promise<readonly unknown[]>;
  overrides(organization: string | undefined): Promise<readonly unknown[]>;
  setOverride(wish: OverrideWish, by: string): Promise<unknown>;
  clearOverride(name: BudgetName, by: string): Promise<unknown>;
  resetBudget(name: BudgetName, by: string): Promise<unknown>;
  spending(query: SpendingQuery): Promise<readonly Readonly<Record<string, unknown>>[]>;
  forecast(organization: string | undefined): Promise<readonly unknown[]>;
}

const admin = { judgement: 'admin' } as const;
const units = ['usd', 'tokens', 'requests'] as const;
const isAmount = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value) && value >= 0;

const nameFields: Fields = new Map<string, Field>([
  ...['organization', 'scope', 'window'].map((name) => [name, { must: 'a string', is: isText }] as const),
  [
    'rolling_hours',
    { must: 'a whole number', is: (value: unknown) => Number.isSafeInteger(value) && Number(value) > 0 },
  ],
]);
const overrideFields: Fields = new Map<string, Field>([
  ...nameFields,
  ...units.map((unit) => [`limit_${unit}`, { must: 'a number', is: isAmount }] as const),
  ['expires_at', { must: timeForm, is: (value: unknown) => isText(value) && instantOf(value) !== undefined }],
]);
const resetFields: Fields = new Map<string, Field>([
  ...nameFields,
  ['unit', { must: units.join(' or '), is: (value: unknown) => units.some((unit) => unit === value) }],
]);

/** Budgets, their temporary limits, and reports on what is spent. `whoAsks` names the admin key of a request. */
export function budgetRoutes(
  app: FastifyInstance,
  ports: BudgetPorts,
  whoAsks: (request: FastifyRequest) => string,
): void {
  app.get('/admin/v1/budgets', { config: admin }, async (request) => {
    const { organization } = queryOf(request, ['organization']);
    return { budgets: await ports.budgets(organization) };
  });
  app.post('/admin/v1/budgets/reconcile', { config: admin }, async (request) => {
    const { organization, repair = 'false' } = queryOf(request, ['organization', 'repair']);
    if (repair !== 'true' && repair !== 'false') throw refused('repair', '`repair` must be true or false.');
    const drift = await ports.reconcile(organization, repair === 'true', whoAsks(request));
    return { drift, repaired: repair === 'true' };
  });
  app.get('/admin/v1/budgets/overrides', { config: admin }, async (request) => {
    const { organization } = queryOf(request, ['organization']);
    return { overrides: await ports.overrides(organization) };
  });
  app.post('/admin/v1/budgets/overrides', { config: admin }, async (request, reply) =>
    reply.code(201).send(await ports.setOverride(overrideOf(request), whoAsks(request))),
  );
  app.delete('/admin/v1/budgets/overrides', { config: admin }, async (request) => {
    const names = ['organization', 'scope', 'window', 'rolling_hours', 'unit'] as const;
    const { rolling_hours, ...query } = queryOf(request, names);
    const hours = rolling_hours === undefined ? {} : { rolling_hours: Number(rolling_hours) };
    return ports.clearOverride(nameOf({ ...query, ...hours }), whoAsks(request));
  });
  app.post('/admin/v1/budgets/reset', { config: admin }, async (request) =>
    ports.resetBudget(nameOf(fieldsOf(request, resetFields, 'a reset')), whoAsks(request)),
  );
  reportRoutes(app, ports);
}

function reportRoutes(app: FastifyInstance, ports: BudgetPorts): void {
  app.get('/admin/v1/reports/spending', { config: admin }, async (request, reply) => {
    const names = ['organization', 'since', 'until', 'by', 'format'] as const;
    const { organization, since, until, by = 'team', format = 'json' } = queryOf(request, names);
    if (format !== 'json' && format !== 'csv') throw refused('format', '`format` must be json or csv.');
    const moments = { since: momentOf('since', since), until: momentOf('until', until) };
    const groups = by.split(',');
    const spending = await ports.spending({ organization, ...moments, by: groups });
    if (format === 'json') return { spending };
    return reply.type('text/csv; charset=utf-8').send(spendingCsv(spending, groups));
  });
  app.get('/admin/v1/reports/forecast', { config: admin }, async (request) => {
    const { organization } = queryOf(request, ['organization']);
    return { forecast: await ports.forecast(organization) };
  });
}

function overrideOf(request: FastifyRequest): OverrideWish {
  const body = fieldsOf(request, overrideFields, 'an override');
  const given = units.filter((unit) => body[`limit_${unit}`] !== undefined);
  const [unit] = given;
  if (unit === undefined || given.length > 1) {
    throw refused('limit_usd', 'An override has exactly one of limit_usd, limit_tokens, limit_requests.');
  }
  const { expires_at } = body;
  return {
    ...nameOf({ ...body, unit }),
    limit: Number(body[`limit_${unit}`]),
    ...(isText(expires_at) ? { expires_at } : {}),
  };
}

function nameOf(fields: Readonly<Record<string, unknown>>): BudgetName {
  const { organization, scope, window, rolling_hours, unit = 'usd' } = fields;
  if (!isText(scope)) throw refused('scope', '`scope` is missing: `team:research`, for one.');
  if (!isText(window)) throw refused('window', '`window` is missing.');
  const known = units.find((one) => one === unit);
  if (known === undefined) throw refused('unit', `\`unit\` must be ${units.join(' or ')}.`);
  return {
    scope,
    window,
    unit: known,
    ...(isText(organization) ? { organization } : {}),
    ...(typeof rolling_hours === 'number' ? { rolling_hours } : {}),
  };
}
