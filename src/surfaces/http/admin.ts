import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Failure, type Secret } from '../../exchange/index.ts';
import { openaiChat } from '../../formats/index.ts';
import type { AuditRecord, QueryFilter } from '../../observe/index.ts';
import type { DecisionPoint } from '../decision/point.ts';
import { instantOf } from '../instant.ts';
import { type ApprovalPorts, type Approver, approvalRoutes } from './admin-approvals.ts';
import { type BudgetPorts, budgetRoutes } from './admin-budgets.ts';
import { type Field, type Fields, fieldsOf, isText, momentOf, queryOf, refused, timeForm } from './admin-input.ts';
import { decisionAdminRoutes } from './decisions.ts';
import { listenerFailure, notServed, rendered, requestIdOf } from './failures.ts';
import { buildListener } from './listener.ts';

/** A key as people see it; its hash is not among it. */
export interface KeyView {
  readonly id: string;
  readonly organization: string;
  readonly team: string;
  readonly [field: string]: unknown;
}

/** What the admin listener may ask of the running gateway. Refused changes are thrown as failures. */
export interface AdminPorts extends BudgetPorts, ApprovalPorts {
  /** Admin keys, or their keyed hashes' check. */
  isAdmin(credential: string): boolean;
  /** What the trail calls whoever asks with this key: made from it one way. */
  adminName(credential: string): string;
  keys(): readonly KeyView[];
  /** The key itself is in the answer, this once. */
  createKey(wanted: NewKeyWish, by: string): Promise<KeyView & { readonly key: string }>;
  revokeKey(id: string, by: string): Promise<KeyView>;
  /** A new key in the place of an old one, which lives on for the grace. */
  rotateKey(id: string, grace_seconds: number, by: string): Promise<KeyView & { readonly key: string }>;
  records(filter: QueryFilter): AsyncIterable<AuditRecord>;
  /** The configuration in force, secrets hidden. */
  config(): unknown;
  policies(): unknown;
  /** Published policies, and what was decided of late. */
  readonly point: DecisionPoint;
  models(): unknown;
  health(): Promise<unknown>;
  workers(): readonly WorkerView[];
  /** Begins to replace the workers one by one; thrown as a failure where there are none. */
  restartWorkers(): void;
  /** Records that a sink would not take, so that others could go on. */
  aside(): readonly unknown[];
  /** Tries them once more; how many were taken, and how many are left. */
  retryAside(): Promise<number>;
  reload(): Promise<{ readonly applied: boolean; readonly problems: readonly string[] }>;
}

/** A process that serves. */
export interface WorkerView {
  readonly slot: number;
  /** Undefined while it is being replaced. */
  readonly pid?: number | undefined;
  readonly state: 'starting' | 'ready' | 'draining' | 'gone';
  /** RFC 3339: since when it is ready. */
  readonly since?: string | undefined;
  /** Times another process took its place: after it had ended by itself, and because somebody asked. */
  readonly crashes: number;
  readonly restarts: number;
}

export interface NewKeyWish {
  readonly organization: string;
  readonly team: string;
  readonly name?: string;
  readonly models?: readonly string[];
  readonly scopes?: readonly string[];
  readonly may_assert?: boolean;
  readonly expires_at?: string;
}

const body_bytes_max = 1_048_576;
const admin = { judgement: 'admin' } as const;

/** Builds the admin listener. It reaches no provider; every route asks for an admin key. */
export function buildAdminListener(ports: AdminPorts): FastifyInstance {
  const app = buildListener({
    body_bytes_max,
    judgements: ['admin', 'approver', 'open'],
    unreadable: (request, reply, failure) => send(reply, request, failure),
  });
  app.addHook('onRequest', async (request) => {
    if (request.routeOptions.config.judgement === 'open') return;
    const credential = bearer(request);
    if (request.routeOptions.config.judgement === 'approver') {
      await approverOf(ports, request);
      return;
    }
    if (credential === '' || !ports.isAdmin(credential)) {
      // What a scope opens is asked by the route itself: there it is known who the caller is.
      if (request.routeOptions.config.scope !== undefined) return;
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
  app.get('/admin/v1/workers', { config: admin }, async () => ({ workers: ports.workers() }));
  app.post('/admin/v1/workers/restart', { config: admin }, async (_request, reply) => {
    ports.restartWorkers();
    return reply.code(202).send({ workers: ports.workers() });
  });
  keyRoutes(app, ports);
  budgetRoutes(app, ports, (request) => whoAsks(ports, request));
  approvalRoutes(app, ports, (request) => approverOf(ports, request));
  recordRoutes(app, ports);
  decisionAdminRoutes(app, ports.point, (request) =>
    ports.isAdmin(bearer(request)) ? whoAsks(ports, request) : undefined,
  );
  return app;
}

/** An admin, or a caller who may approve. Throws `invalid_api_key`, and `policy_denied` without the scope. */
async function approverOf(ports: AdminPorts, request: FastifyRequest): Promise<Approver> {
  const credential = bearer(request);
  if (credential !== '' && ports.isAdmin(credential)) return { by: ports.adminName(credential), caller: undefined };
  return ports.approver(request.raw.headers);
}

function keyRoutes(app: FastifyInstance, ports: AdminPorts): void {
  app.get('/admin/v1/keys', { config: admin }, async () => ({ keys: ports.keys() }));
  app.post('/admin/v1/keys', { config: admin }, async (request, reply) =>
    reply.code(201).send(await ports.createKey(newKey(request), whoAsks(ports, request))),
  );
  app.delete('/admin/v1/keys/:id', { config: admin }, async (request) =>
    ports.revokeKey((request.params as { id: string }).id, whoAsks(ports, request)),
  );
  app.post('/admin/v1/keys/:id/rotate', { config: admin }, async (request, reply) => {
    const { grace_seconds = 0 } = fieldsOf(request, rotateFields, 'a rotation') as { grace_seconds?: number };
    const { id } = request.params as { id: string };
    return reply.code(201).send(await ports.rotateKey(id, grace_seconds, whoAsks(ports, request)));
  });
}

const grace_seconds_max = 366 * 86_400;
const rotateFields: Fields = new Map<string, Field>([
  [
    'grace_seconds',
    {
      must: `a whole number from 0 to ${grace_seconds_max}`,
      is: (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= grace_seconds_max,
    },
  ],
]);

/** Fields of a new key, and what each must be. */
const keyFields: Fields = new Map<string, Field>([
  ...['organization', 'team', 'name'].map((name) => [name, { must: 'a string', is: isText }] as const),
  ...['models', 'scopes'].map((name) => [name, { must: 'a list of strings', is: isTexts }] as const),
  ['may_assert', { must: 'true or false', is: (value) => typeof value === 'boolean' }],
  ['expires_at', { must: timeForm, is: (value) => isText(value) && instantOf(value) !== undefined }],
]);

function newKey(request: FastifyRequest): NewKeyWish {
  const body = fieldsOf(request, keyFields, 'a key');
  for (const name of ['organization', 'team'])
    if (body[name] === undefined) throw refused(name, `\`${name}\` is missing.`);
  return body as unknown as NewKeyWish;
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(isText);
}

function whoAsks(ports: AdminPorts, request: FastifyRequest): string {
  return ports.adminName(bearer(request));
}

function recordRoutes(app: FastifyInstance, ports: AdminPorts): void {
  app.get('/admin/v1/records', { config: admin }, async (request) => {
    const records: AuditRecord[] = [];
    for await (const record of ports.records(filterOf(request))) records.push(record);
    return { records };
  });
  app.get('/admin/v1/records/aside', { config: admin }, async () => ({ aside: ports.aside() }));
  app.post('/admin/v1/records/aside/retry', { config: admin }, async () => {
    const taken = await ports.retryAside();
    return { taken, aside: ports.aside() };
  });
}

const records_max = 1000;

function filterOf(request: FastifyRequest): QueryFilter {
  const names = ['limit', 'since', 'until', 'team', 'user', 'decision', 'model', 'exchange'] as const;
  const { limit = '100', since, until, ...rest } = queryOf(request, names);
  if (!/^\d{1,4}$/.test(limit) || Number(limit) < 1 || Number(limit) > records_max) {
    throw refused('limit', `\`limit\` must be a whole number from 1 to ${records_max}.`);
  }
  return { ...rest, limit: Number(limit), since: momentOf('since', since), until: momentOf('until', until) };
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
