import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Failure, type Secret } from '../../exchange/index.ts';
import { openaiChat, parseStrict } from '../../formats/index.ts';
import type { AuditRecord, QueryFilter } from '../../observe/index.ts';
import { listenerFailure, notServed, rendered, requestIdOf } from './failures.ts';
import { buildListener } from './listener.ts';

/** A key as people see it; its hash is not among it. */
export interface KeyView {
  readonly id: string;
  readonly organization: string;
  readonly team: string;
  readonly [field: string]: unknown;
}

/** A budget's counter as people see it, amounts in dollars. */
export interface CounterView {
  readonly organization: string;
  readonly key: string;
  readonly [field: string]: unknown;
}

/** What the admin listener may ask of the running gateway. Refused changes are thrown as failures. */
export interface AdminPorts {
  /** Admin keys, or their keyed hashes' check. */
  isAdmin(credential: string): boolean;
  /** Counters of an organisation, or of all. */
  budgets(organization: string | undefined): Promise<readonly CounterView[]>;
  /** Where counters and entries differ; repaired where asked. */
  reconcile(organization: string | undefined, repair: boolean): Promise<readonly unknown[]>;
  keys(): readonly KeyView[];
  /** The key itself is in the answer, this once. */
  createKey(wanted: NewKeyWish): Promise<KeyView & { readonly key: string }>;
  revokeKey(id: string): Promise<KeyView>;
  records(filter: QueryFilter): AsyncIterable<AuditRecord>;
  /** The configuration in force, secrets hidden. */
  config(): unknown;
  policies(): unknown;
  models(): unknown;
  health(): Promise<unknown>;
  reload(): Promise<{ readonly applied: boolean; readonly problems: readonly string[] }>;
}

export interface NewKeyWish {
  readonly organization: string;
  readonly team: string;
  readonly name?: string;
  readonly may_assert?: boolean;
  readonly expires_at?: string;
}

const body_bytes_max = 1_048_576;
const admin = { judgement: 'admin' } as const;

/** Builds the admin listener. It reaches no provider; every route asks for an admin key. */
export function buildAdminListener(ports: AdminPorts): FastifyInstance {
  const app = buildListener({
    body_bytes_max,
    judgements: ['admin', 'open'],
    unreadable: (request, reply, failure) => send(reply, request, failure),
  });
  app.addHook('onRequest', async (request) => {
    if (request.routeOptions.config.judgement === 'open') return;
    const credential = bearer(request);
    if (credential === '' || !ports.isAdmin(credential)) {
      throw new Failure('invalid_api_key', 'This listener needs an admin key.');
    }
  });
  app.setErrorHandler((error, request, reply) => send(reply, request, listenerFailure(error)));
  app.setNotFoundHandler((request, reply) => send(reply, request, notServed(request.method, request.url)));

  app.get('/health', { config: { judgement: 'open' } }, (_request, reply) => reply.send({ status: 'ok' }));
  app.get('/admin/v1/health', { config: admin }, async () => ports.health());
  app.get('/admin/v1/config', { config: admin }, async () => ports.config());
  app.post('/admin/v1/config/reload', { config: admin }, async (_request, reply) => {
    const outcome = await ports.reload();
    return reply.code(outcome.applied ? 200 : 409).send(outcome);
  });
  app.get('/admin/v1/policies', { config: admin }, async () => ports.policies());
  app.get('/admin/v1/models', { config: admin }, async () => ports.models());
  keyRoutes(app, ports);
  budgetRoutes(app, ports);
  recordRoutes(app, ports);
  return app;
}

function keyRoutes(app: FastifyInstance, ports: AdminPorts): void {
  app.get('/admin/v1/keys', { config: admin }, async () => ({ keys: ports.keys() }));
  app.post('/admin/v1/keys', { config: admin }, async (request, reply) =>
    reply.code(201).send(await ports.createKey(newKey(request))),
  );
  app.delete('/admin/v1/keys/:id', { config: admin }, async (request) =>
    ports.revokeKey((request.params as { id: string }).id),
  );
}

function newKey(request: FastifyRequest): NewKeyWish {
  const body = jsonObject(request);
  const wanted: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(body)) {
    const type = {
      organization: 'string',
      team: 'string',
      name: 'string',
      expires_at: 'string',
      may_assert: 'boolean',
    }[name];
    if (type === undefined) throw new Failure('invalid_request', `${name} is not a field of a key.`, { param: name });
    if (typeof value !== type) throw new Failure('invalid_request', `${name} must be a ${type}.`, { param: name });
    wanted[name] = value;
  }
  for (const name of ['organization', 'team']) {
    if (wanted[name] === undefined) throw new Failure('invalid_request', `${name} is missing.`, { param: name });
  }
  return wanted as unknown as NewKeyWish;
}

function jsonObject(request: FastifyRequest): Record<string, unknown> {
  const body = parseStrict(request.body instanceof Buffer ? request.body : Buffer.alloc(0));
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new Failure('invalid_request', 'The body must be a JSON object.');
  }
  return body as Record<string, unknown>;
}

function budgetRoutes(app: FastifyInstance, ports: AdminPorts): void {
  type Query = { readonly organization?: string; readonly repair?: string };
  app.get('/admin/v1/budgets', { config: admin }, async (request) => ({
    budgets: await ports.budgets((request.query as Query).organization),
  }));
  app.post('/admin/v1/budgets/reconcile', { config: admin }, async (request) => {
    const { organization, repair } = request.query as Query;
    return { drift: await ports.reconcile(organization, repair === 'true'), repaired: repair === 'true' };
  });
}

function recordRoutes(app: FastifyInstance, ports: AdminPorts): void {
  app.get('/admin/v1/records', { config: admin }, async (request) => {
    const records: AuditRecord[] = [];
    for await (const record of ports.records(filterOf(request.query as Record<string, string>))) records.push(record);
    return { records };
  });
}

const recordsMax = 1000;

function filterOf(query: Readonly<Record<string, string>>): QueryFilter {
  const { limit = '100', since, until, team, user, decision, model, exchange } = query;
  return {
    limit: Math.min(recordsMax, Math.max(1, Number(limit) || 100)),
    since: instant('since', since),
    until: instant('until', until),
    team,
    user,
    decision,
    model,
    exchange,
  };
}

/** RFC 3339 as Unix ms. */
function instant(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const at = Date.parse(text);
  if (Number.isNaN(at))
    throw new Failure('invalid_request', `${name} must be a time such as 2026-01-31T12:00:00Z.`, { param: name });
  return at;
}

function bearer(request: FastifyRequest): string {
  const { authorization } = request.headers;
  return typeof authorization === 'string' && /^bearer /i.test(authorization) ? authorization.slice(7).trim() : '';
}

function send(reply: FastifyReply, request: FastifyRequest, failure: Failure): FastifyReply {
  const { status, headers, body } = rendered(failure, openaiChat, requestIdOf(request));
  return reply.code(status).headers(headers).send(body);
}

/** Whether a credential is one of these secrets, in constant time; an empty secret matches nothing. */
export function isOneOf(credential: string, secrets: readonly Secret[]): boolean {
  const asked = createHash('sha256').update(credential).digest();
  let found = false;
  for (const secret of secrets) {
    if (secret.empty) continue;
    if (timingSafeEqual(asked, createHash('sha256').update(secret.reveal()).digest())) found = true;
  }
  return found;
}
