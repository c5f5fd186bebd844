import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type { AuditRecord } from '../../src/observe/index.ts';
import { type FakeProvider, startFakeProvider } from './fake-provider.ts';
import { adminKey, call, startGateway, type TestGateway, teamKey } from './gateway.ts';
import { eventually } from './money.ts';
import { type RawReply, type RawRequest, rawRequest } from './raw-http.ts';
import { allRecords } from './records.ts';

/** A wire language with a request that is right and a reader of its errors. */
export interface Language {
  readonly name: 'OpenAI' | 'Anthropic';
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** The error of a body in this language; throws where it is in another. */
  error(body: string): Record<string, unknown>;
}

export const openai: Language = {
  name: 'OpenAI',
  path: '/v1/chat/completions',
  body: { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] },
  error(body) {
    const told = JSON.parse(body) as { error: Record<string, unknown> };
    expect(Object.keys(told)).toEqual(['error']);
    expect(told.error).toMatchObject({
      message: expect.any(String),
      type: expect.any(String),
      code: expect.any(String),
    });
    expect(told.error).toHaveProperty('param');
    return told.error;
  },
};
export const anthropic: Language = {
  name: 'Anthropic',
  path: '/v1/messages',
  body: { model: 'claude-sonnet-4-5', max_tokens: 10, messages: [{ role: 'user', content: 'Hi' }] },
  error(body) {
    const told = JSON.parse(body) as { type: string; error: Record<string, unknown>; request_id: string };
    expect(told.type).toBe('error');
    expect(told.request_id).toEqual(expect.any(String));
    expect(told.error).toMatchObject({ message: expect.any(String), type: expect.any(String) });
    return told.error;
  },
};
export const languages = [openai, anthropic];

export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: RegExp;
  readonly param?: string;
}

/** A gateway that is shown bad input, and what is checked of every refusal. */
export interface RefusalHouse {
  readonly gateway: TestGateway;
  readonly provider: FakeProvider;
  /** Sends a request as the team, unless it brings headers of its own, and checks everything a refusal must be. */
  refused(language: Language, request: Partial<RawRequest>, wanted: Refusal): Promise<RawReply>;
  /** A right call of each language is answered as ever. */
  serves(): Promise<void>;
  /** Every refusal so far left exactly one record, which says why. */
  recorded(): Promise<void>;
  close(): Promise<void>;
}

export async function startRefusals(): Promise<RefusalHouse> {
  const provider = await startFakeProvider({ key: 'upstream-secret-key' });
  const gateway = await startGateway({ openai: provider.baseUrl, anthropic: provider.baseUrl });
  /** What the record of each refusal must say, by its `x-request-id`. */
  const expected = new Map<string, { readonly code: string; readonly status: number }>();
  return {
    gateway,
    provider,
    async refused(language, request, { status, code, message, param }) {
      const requestId = `bad-${randomUUID()}`;
      const { headers = [['Authorization', `Bearer ${teamKey}`] as const], ...rest } = request;
      const reply = await rawRequest(gateway.origin, {
        target: language.path,
        headers: [['Content-Type', 'application/json'], ['X-Request-Id', requestId], ...headers],
        ...rest,
      });
      const error = language.error(reply.body);
      expect({ status: reply.status, code: error.code, message: error.message }).toEqual({
        status,
        code,
        message: expect.stringMatching(message),
      });
      if (param !== undefined) expect(error.param).toBe(param);
      expect(reply.headers['x-request-id']).toBe(requestId);
      expect(reply.headers['content-type']).toMatch(/^application\/json/);
      expect(reply.headers['x-should-retry']).toBe('false');
      expect(provider.requests).toHaveLength(0);
      expected.set(requestId, { code, status });
      return reply;
    },
    async serves() {
      for (const language of languages) {
        const response = await call(gateway, language.path, language.body);
        expect(response.status).toBe(200);
        await response.text();
      }
      provider.reset();
    },
    async recorded() {
      expect(expected.size).toBeGreaterThan(0);
      let found: readonly AuditRecord[] = [];
      await eventually('every record is there', async () => {
        found = (await recordsOf(gateway)).filter(({ request_id }) => expected.has(request_id));
        return new Set(found.map(({ request_id }) => request_id)).size === expected.size;
      });
      expect(found).toHaveLength(expected.size);
      for (const record of found) {
        const failure = expected.get(record.request_id);
        expect(record).toMatchObject({ ending: 'denied', attempts: [], cost_nusd: 0, failure });
      }
    },
    async close() {
      await gateway.close();
      await provider.close();
    },
  };
}

/** Every record the admin listener tells. */
export function recordsOf(gateway: TestGateway): Promise<readonly AuditRecord[]> {
  const headers = { authorization: `Bearer ${adminKey}` };
  return allRecords(async (path) => {
    const response = await fetch(gateway.admin + path, { headers });
    if (!response.ok) throw new Error(`the admin listener said ${response.status}: ${await response.text()}`);
    return (await response.json()) as { records: AuditRecord[] };
  });
}
