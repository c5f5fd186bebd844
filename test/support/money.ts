import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditRecord } from '../../src/observe/index.ts';
import { type FakeProvider, type FakeReply, type FakeRequest, startFakeProvider } from './fake-provider.ts';
import type { FakeUsage } from './fake-provider-wire.ts';
import { adminKey, prices, startGateway, type TestGateway, type TestGatewayOptions } from './gateway.ts';
import { allRecords } from './records.ts';
import { type RedisServer, startRedis } from './redis.ts';

/** Every journey about money goes over both. */
export const stores = ['embedded', 'redis'] as const;
export type Store = (typeof stores)[number];

export interface MoneyOptions extends Omit<TestGatewayOptions, 'team' | 'openai' | 'anthropic' | 'providers'> {
  readonly store: Store;
  /** Settings of each team beside its key, by its id. */
  readonly teams: Readonly<Record<string, Record<string, unknown>>>;
  readonly organization?: Record<string, unknown>;
  readonly state?: Record<string, unknown>;
  /** Providers at the fake's address, instead of one of each format. */
  readonly providers?: (baseUrl: string) => Record<string, Record<string, unknown>>;
}

/** A reply that is over. */
export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The error object of a refusal. */
  readonly error: Record<string, unknown>;
  readonly ms: number;
}

/** What `/v1/usage` tells of a budget, in its own unit (dollars as nano-dollars, whole). */
export interface Standing {
  readonly window: string;
  readonly limit: number;
  readonly spent: number;
  readonly held: number;
  readonly remaining: number;
  readonly resets_at: string | null;
}

export interface LimitStanding {
  readonly unit: string;
  readonly limit: number;
  readonly used: number;
  readonly remaining: number;
}

/** A gateway over one of the stores, before a provider whose bill is scripted. */
export interface MoneyHouse {
  readonly provider: FakeProvider;
  readonly gateway: TestGateway;
  readonly redis: RedisServer | undefined;
  /** Sets the script and forgets the requests before. */
  says(reply: FakeReply | ((request: FakeRequest) => FakeReply | Promise<FakeReply>)): void;
  /** Sends a call as a team and gives back the response as soon as its head is there. */
  send(team: string, body: AskedBody, more?: CallMore): Promise<Response>;
  /** Sends a call and waits until its reply is over. */
  ask(team: string, body: AskedBody, more?: CallMore): Promise<Answered>;
  /** The team's only budget, or the one with this window. */
  budget(team: string, window?: string): Promise<Standing>;
  limits(team: string): Promise<readonly LimitStanding[]>;
  /** Holds that are open in all. */
  reservations(): Promise<number>;
  /** Polls until nothing is held any more, and gives back the team's budget then. */
  atRest(team: string, within_ms?: number): Promise<Standing>;
  /** The admin listener's answer. */
  admin<T>(path: string, method?: 'GET' | 'POST'): Promise<T>;
  /** The record of the exchange with this `x-request-id`, once a sink has it. */
  record(requestId: string): Promise<AuditRecord>;
  records(): Promise<readonly AuditRecord[]>;
  close(keep?: boolean): Promise<void>;
}

export interface CallMore {
  /** Another language than the provider's own. */
  readonly path?: '/v1/chat/completions' | '/v1/messages' | `/passthrough/${string}`;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

export interface AskedBody {
  readonly model: string;
  readonly [field: string]: unknown;
}

/** A team's key. Put together here, so that no scanner takes it for a real one. */
export function teamKeyOf(team: string): string {
  return ['lpk', team.padEnd(12, 'X').slice(0, 12), 'k'.repeat(43)].join('_');
}

/** What a configuration writes for a value of the environment. */
const referenceTo = (variable: string) => `\${${variable}}`;
const variableOf = (team: string) => `KEY_OF_${team.toUpperCase()}`;

/** Configuration and environment of a gateway with these teams over one of the stores. */
export function moneyConfig(options: Omit<MoneyOptions, 'providers'>, directory: string, redisUrl: string | undefined) {
  const teams = Object.entries(options.teams).map(([id, settings]) => ({
    id,
    keys: [referenceTo(variableOf(id))],
    ...settings,
  }));
  const env = Object.fromEntries(Object.keys(options.teams).map((team) => [variableOf(team), teamKeyOf(team)]));
  return {
    env: { ...env, ...(redisUrl === undefined ? {} : { TEST_REDIS: redisUrl }), ...options.env },
    config: {
      organizations: [{ id: 'acme', ...options.organization, teams }],
      routing: { retries: 0, circuit: { failures: 1000 } },
      // A busy machine is no lost Redis: where loss is the subject the deadline is set again.
      state: {
        path: join(directory, 'data'),
        ...(redisUrl === undefined
          ? { driver: 'embedded' }
          : { driver: 'redis', url: referenceTo('TEST_REDIS'), deadline_ms: 5000 }),
        ...options.state,
      },
      ...options.config,
    },
  };
}

export async function startMoney(options: MoneyOptions): Promise<MoneyHouse> {
  const provider = await startFakeProvider({ key: 'upstream-secret-key' });
  const redis = options.store === 'redis' ? await startRedis() : undefined;
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'llm-policy-money-'));
  const { config, env } = moneyConfig(options, directory, redis?.url);
  const { providers, ...rest } = options;
  const gateway = await startGateway({
    ...rest,
    ...(providers === undefined ? {} : { providers: providers(provider.baseUrl) }),
    directory,
    openai: provider.baseUrl,
    anthropic: provider.baseUrl,
    config,
    env,
  });
  return houseOf(gateway, provider, redis);
}

function houseOf(gateway: TestGateway, provider: FakeProvider, redis: RedisServer | undefined): MoneyHouse {
  const house: MoneyHouse = {
    ...askerOf(gateway),
    provider,
    gateway,
    redis,
    says(reply) {
      provider.reset();
      provider.reply = typeof reply === 'function' ? reply : () => reply;
    },
    async close(keep) {
      await gateway.close(keep);
      await provider.close();
      await redis?.stop();
    },
  };
  return house;
}

/** Everything a test asks of a gateway that runs somewhere. */
export type Asker = Omit<MoneyHouse, 'provider' | 'gateway' | 'redis' | 'says' | 'close'>;

export function askerOf(at: { readonly origin: string; readonly admin: string; readonly metrics: string }): Asker {
  const usage = async (team: string) => {
    const response = await fetch(`${at.origin}/v1/usage`, { headers: { authorization: `Bearer ${teamKeyOf(team)}` } });
    if (!response.ok) throw new Error(`/v1/usage said ${response.status}: ${await response.text()}`);
    return (await response.json()) as { budgets: Record<string, unknown>[]; limits: LimitStanding[] };
  };
  const asker: Asker = {
    send(team, body, more = {}) {
      const own = body.model.startsWith('claude') ? '/v1/messages' : '/v1/chat/completions';
      return fetch(at.origin + (more.path ?? own), {
        method: 'POST',
        headers: {
          authorization: `Bearer ${teamKeyOf(team)}`,
          'content-type': 'application/json',
          ...more.headers,
        },
        body: JSON.stringify(body),
        ...(more.signal === undefined ? {} : { signal: more.signal }),
      });
    },
    async ask(team, body, more) {
      const began = performance.now();
      const response = await asker.send(team, body, more);
      const text = await response.text();
      const error = response.ok ? {} : (JSON.parse(text) as { error: Record<string, unknown> }).error;
      return { status: response.status, headers: response.headers, text, error, ms: performance.now() - began };
    },
    async budget(team, window) {
      const { budgets } = await usage(team);
      const found = window === undefined ? budgets[0] : budgets.find((budget) => budget.window === window);
      if (found === undefined) throw new Error(`team ${team} has no budget ${window ?? ''}`);
      return standingOf(found);
    },
    limits: async (team) => (await usage(team)).limits,
    async reservations() {
      const text = await (await fetch(`${at.metrics}/metrics`)).text();
      const found = /^llm_gateway_reservations (\d+)$/m.exec(text);
      if (found === null) throw new Error('no llm_gateway_reservations among the metrics');
      return Number(found[1]);
    },
    async atRest(team, within_ms) {
      await eventually('nothing is held', async () => (await asker.reservations()) === 0, within_ms);
      return asker.budget(team);
    },
    async admin<T>(path: string, method: 'GET' | 'POST' = 'GET') {
      const response = await fetch(at.admin + path, { method, headers: { authorization: `Bearer ${adminKey}` } });
      if (!response.ok) throw new Error(`${path} said ${response.status}: ${await response.text()}`);
      return (await response.json()) as T;
    },
    async record(requestId) {
      let found: AuditRecord | undefined;
      await eventually(`a record of ${requestId}`, async () => {
        found = (await asker.records()).find((record) => record.request_id === requestId);
        return found !== undefined;
      });
      return found as AuditRecord;
    },
    async records() {
      return await allRecords((path) => asker.admin(path));
    },
  };
  return asker;
}

function standingOf(budget: Record<string, unknown>): Standing {
  const suffix = ['_usd', '_tokens', '_requests'].find((unit) => `limit${unit}` in budget) ?? '';
  const scale = suffix === '_usd' ? 1e9 : 1;
  const whole = (name: string) => Math.round(Number(budget[name + suffix]) * scale);
  return {
    window: String(budget.window),
    limit: whole('limit'),
    spent: whole('spent'),
    held: whole('held'),
    remaining: whole('remaining'),
    resets_at: budget.resets_at as string | null,
  };
}

/** What a call of one choice without images or tools holds: a token a byte and what a chat adds, and its `max_tokens`. */
export function heldBy(body: AskedBody, output = Number(body.max_tokens)): { input: number; output: number } {
  return { input: Buffer.byteLength(JSON.stringify(body)) + 16, output };
}

/** Nano-dollars of a usage at the prices of every test model: a dollar in, two out, half of one cached, per million. */
export function costOf({ input, output, cacheRead = 0 }: FakeUsage): number {
  return (input - cacheRead) * 1000 + cacheRead * 500 + output * 2000;
}

/** Ten times the prices of every test model. */
export const dearPrices = {
  ...prices,
  input_usd_per_mtok: 10,
  output_usd_per_mtok: 20,
  cached_input_usd_per_mtok: 5,
};

/** Denies the model of this name. */
export const barredPolicy = `
metadata: { id: barred, name: Barred, version: 1.0.0 }
rules:
  - id: never
    condition: { operator: eq, field: llm.model, value: barred }
    action: { decision: deny, reason: never this one }
`;

/** Nano-dollars as the dollars of a configuration. */
export const usd = (nano: number) => nano / 1e9;

export const hi = [{ role: 'user', content: 'Hi' }] as const;

/** Polls until it holds; throws when it does not in time, which is patience and says nothing of how fast it should be. */
export async function eventually(what: string, holds: () => Promise<boolean> | boolean, within_ms = 40_000) {
  const deadline = Date.now() + within_ms;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within ${within_ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}
