import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { everything } from '../support/client-texts.ts';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { type Forbidden, forbidden, holds, redactRequests } from '../support/forbidden.ts';
import { call, startGateway, type TestGateway } from '../support/gateway.ts';
import { anthropicTemplate, filled, filledAt, openaiTemplate, placesIn } from '../support/request-templates.ts';

let provider: FakeProvider;
let gateway: TestGateway;

beforeAll(async () => {
  provider = await startFakeProvider({ key: 'upstream-secret-key' });
  gateway = await startGateway({
    openai: provider.baseUrl,
    anthropic: provider.baseUrl,
    policies: { redact: redactRequests },
  });
});

beforeEach(() => provider.reset());

afterAll(async () => {
  await gateway.close();
  await provider.close();
});

const pick = (type: string): Forbidden => forbidden.find((one) => one.type === type && one.value.length < 200)!;
const values = ['card', 'email', 'iban', 'jwt', 'private_key', 'aws_access_key', 'own'].map(pick);
const marked = ({ type }: Forbidden) => `[${type}]`;

const sides = [
  { name: 'OpenAI', path: '/v1/chat/completions', template: openaiTemplate, other: 'claude-haiku-4-5', own: 'gpt-4o' },
  { name: 'Anthropic', path: '/v1/messages', template: anthropicTemplate, other: 'gpt-4o', own: 'claude-haiku-4-5' },
] as const;

describe.each(sides)('what reaches the provider, from a client of $name', ({ path, template, own, other }) => {
  test.each(values.map((value) => ({ type: value.type, value })))(
    'is the request with [$type] in every place, byte for byte',
    async ({ value }) => {
      const response = await call(gateway, path, filled(template, value.value));
      expect(response.status).toBe(200);
      expect(provider.requests[0]?.bytes.toString()).toBe(filled(template, marked(value)));
      expect(provider.violations).toEqual([]);
    },
  );

  test('holds no forbidden value when it is translated', async () => {
    for (const value of values) {
      provider.reset();
      // A tool of free text and old function calls have no twin there.
      const spoken = template
        .replace(/,\s*\{"id":"c2"[^\n]*\}\}(?=\]\})/, '')
        .replace(/ \{"role":"tool","tool_call_id":"c2".*\n/, '');
      const response = await call(gateway, path, filled(spoken, value.value).replace(own, other));
      const sent = provider.requests[0]?.bytes.toString() ?? '';
      expect([response.status, provider.violations]).toEqual([200, []]);
      expect(sent).toContain(marked(value));
      expect(holds(sent, value)).toBe(false);
      expect(holds(everything(sent), value)).toBe(false);
      for (const match of sent.matchAll(/"arguments":("(?:[^"\\]|\\.)*")/g)) {
        expect(holds(everything(JSON.parse(match[1]!) as string), value)).toBe(false);
      }
    }
  });

  test('is not touched where nothing is forbidden', async () => {
    for (const text of ['4111111111111112', 'jane.doe@', 'Project Nightmare', 'a "quote" \\ and é🎉']) {
      provider.reset();
      expect((await call(gateway, path, filled(template, text))).status).toBe(200);
      expect(provider.requests[0]?.bytes.toString()).toBe(filled(template, text));
    }
  });
});

describe('numbers and names of members', () => {
  test('in the arguments of tools are redacted and stay JSON', async () => {
    const spelled = (number: string, key: string, escaped: string) =>
      `{"model":"gpt-4o","max_tokens":9,"messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\\"n\\": ${number}, \\"${key}\\": 1.0, \\"e\\":\\"${escaped}\\"}"}}]},{"role":"tool","tool_call_id":"c","content":"ok"}]}`;
    const digits = '4111111111111111';
    const escaped = [...digits].map((digit) => `\\\\u003${digit}`).join('');
    await call(gateway, '/v1/chat/completions', spelled(digits, digits, escaped));
    expect(provider.requests[0]?.bytes.toString()).toBe(spelled('\\"[card]\\"', '[card]', '[card]'));

    const input = (number: string, key: string) =>
      `{"model":"claude-haiku-4-5","max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"n": ${number}, "${key}": 1.0}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"ok"}]}]}`;
    provider.reset();
    await call(gateway, '/v1/messages', input(digits, digits));
    expect(provider.requests[0]?.bytes.toString()).toBe(input('"[card]"', '[card]'));
  });

  test('in fields of the client are redacted too', async () => {
    const body = (number: string) =>
      `{"model":"gpt-4o","max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"metadata":{"card":${number}, "small":12}}`;
    await call(gateway, '/v1/chat/completions', body('4111111111111111'));
    expect(provider.requests[0]?.bytes.toString()).toBe(body('"[card]"'));
  });
});

test('more findings than a rail can keep apart are redacted all the same, and so is what comes after them', async () => {
  const redact = redactRequests
    .replace('rails: [pii, secrets]', 'rails: [pii]')
    .replace(/ +(literals|patterns):.*\n/g, '');
  const rails = await startGateway({ openai: provider.baseUrl, policies: { redact } });
  const flood = 'a1@b.co '.repeat(50_001);
  const messages = [flood, 'It is 4111 1111 1111 1111.'].map((content) => ({ role: 'user', content }));
  const response = await call(rails, '/v1/chat/completions', { model: 'gpt-4o', max_tokens: 9, messages });
  const sent = provider.requests[0]?.bytes.toString() ?? '';
  await rails.close();
  expect(response.status).toBe(200);
  expect(sent.split('[email]').length).toBe(50_002);
  expect(sent).toContain('It is [card].');
});

describe('a request the policies deny', () => {
  const deny = `
metadata: { id: deny, name: Deny, version: 1.0.0 }
rules:
  - id: leak
    condition:
      operator: or
      conditions: [{ operator: eq, field: rails.pii.found, value: true }, { operator: eq, field: rails.secrets.found, value: true }]
    action: { decision: deny, reason: Not with this in it. }
`;
  let strict: TestGateway;
  beforeAll(async () => {
    strict = await startGateway({ openai: provider.baseUrl, anthropic: provider.baseUrl, policies: { deny } });
  });
  afterAll(() => strict.close());

  test.each(sides)('reaches nobody, wherever it stands: $name', async ({ path, template }) => {
    for (const value of [pick('card'), pick('jwt')]) {
      for (let place = 0; place < placesIn(template); place += 1) {
        const response = await call(strict, path, filledAt(template, place, value.value));
        const body = await response.text();
        expect([place, response.status]).toEqual([place, 400]);
        expect(body).toContain('Not with this in it.');
        expect(holds(body, value)).toBe(false);
      }
    }
    expect(provider.requests).toEqual([]);
    expect((await call(strict, path, filled(template, 'nothing'))).status).toBe(200);
    expect(provider.requests).toHaveLength(1);
  });
});
