import { expect } from 'vitest';
import type { AuditRecord } from '../../src/observe/index.ts';
import type { FakeProvider } from './fake-provider.ts';
import { call, startGateway, type TestGateway } from './gateway.ts';
import { recordsOf } from './refusals.ts';

/** A policy with these rules, as its file has it. */
export const policy = (id: string, rules: string, more = '') =>
  `metadata: { id: ${id}, name: ${id}, version: 1.0.0${more} }\nrules:\n${rules}`;
/** A gateway with these policies before a provider of both formats; records are told from memory, as soon as the reply is there. */
export const house = (
  provider: FakeProvider,
  policies: Record<string, string>,
  config: Record<string, unknown> = {},
): Promise<TestGateway> =>
  startGateway({
    openai: provider.baseUrl,
    anthropic: provider.baseUrl,
    policies,
    config: { audit: { sinks: [] }, ...config },
  });

/** A reply that is over. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly error: Record<string, unknown>;
  record(): Promise<AuditRecord>;
}

let calls = 0;

/** A call of the team, with these fields of its body. */
export async function ask(
  gateway: TestGateway,
  fields: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Promise<Answer> {
  calls += 1;
  const id = `call-${calls}`;
  const body = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }], ...fields };
  const path = String(body.model).startsWith('claude') ? '/v1/messages' : '/v1/chat/completions';
  const response = await call(gateway, path, body, { 'x-request-id': id, ...headers });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    error: response.ok ? {} : (JSON.parse(text) as { error: Record<string, unknown> }).error,
    async record() {
      const found = (await recordsOf(gateway)).filter(({ request_id }) => request_id === id);
      expect(found).toHaveLength(1);
      return found[0]!;
    },
  };
}

/** Opens, uses and closes; nothing may have come to the provider that must not. */
export async function within(
  provider: FakeProvider,
  policies: Record<string, string>,
  use: (gateway: TestGateway) => Promise<void>,
  config: Record<string, unknown> = {},
): Promise<void> {
  const opened = await house(provider, policies, config);
  try {
    await use(opened);
    expect(provider.violations).toEqual([]);
  } finally {
    await opened.close();
  }
}
