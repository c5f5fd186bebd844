import { type FakeProvider, startFakeProvider } from './fake-provider.ts';
import { adminKey, call, ref, startGateway, type TestGateway } from './gateway.ts';

/** What the house is asked, unless something else is. */
export const hi = { model: 'gpt-4o', max_tokens: 50, messages: [{ role: 'user', content: 'Hi, I am Jane.' }] };
const rules = `
metadata: { id: house, name: House rules, version: 1.0.0 }
rules:
  - id: no-mini
    condition: { operator: eq, field: llm.model, value: gpt-4o-mini }
    action: { decision: deny, reason: Mini is not for us. }
  - id: secrets
    condition: { operator: eq, field: rails.secrets.found, value: true }
    action: { decision: audit, reason: A secret }
  - id: cards
    on: response
    action: { decision: modify, redact: { rails: [pii/card] } }
`;

// biome-ignore lint/suspicious/noExplicitAny: JSON of many shapes, compared as it is
type Told = { status: number; headers: Headers; text: string; body: any };

interface Asked {
  readonly method?: string;
  readonly body?: unknown;
  /** Null: none at all. */
  readonly key?: string | null;
}

/** A gateway with budgets, rules and a key that may speak for users, and both ways to ask it. */
export interface AdminHouse {
  readonly provider: FakeProvider;
  readonly gateway: TestGateway;
  /** Asks the admin listener, with the admin key unless another is given. */
  admin(target: string, asked?: Asked): Promise<Told>;
  /** A call of the team on the data listener, its reply read to the end. */
  ask(body?: unknown, headers?: Record<string, string>): Promise<Response>;
  close(): Promise<void>;
}

export async function startAdmin(): Promise<AdminHouse> {
  const provider = await startFakeProvider({ key: 'upstream-secret-key' });
  const gateway = await startGateway({
    openai: provider.baseUrl,
    policies: { house: rules },
    team: {
      keys: [{ key: ref('TEST_TEAM_KEY'), may_assert: true }],
      budgets: [
        { window: 'month', limit_usd: 10 },
        { window: 'day', limit_tokens: 1_000_000 },
      ],
      users: { default: { budgets: [{ window: 'day', limit_usd: 5 }] } },
    },
  });
  return {
    provider,
    gateway,
    async admin(target, { method = 'GET', body, key = adminKey } = {}) {
      const response = await fetch(gateway.admin + target, {
        method,
        headers: key === null ? {} : { authorization: `Bearer ${key}` },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, text, body: JSON.parse(text) };
    },
    async ask(body = hi, headers = {}) {
      const response = await call(gateway, '/v1/chat/completions', body, headers);
      await response.arrayBuffer();
      return response;
    },
    async close() {
      await gateway.close();
      await provider.close();
    },
  };
}
