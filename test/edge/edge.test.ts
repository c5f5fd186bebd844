import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import edgeWorker, { authorizeByKeys, createEdge, type Edge } from '../../src/edge.ts';
import { readModule } from '../../src/rails/index.ts';
import { assembled, template } from '../support/assemblyscript.ts';

const policy = `
metadata: { id: house, version: 1.0.0 }
rules:
  - id: dear
    condition: { operator: gt, field: llm.estimatedCost, value: 1 }
    action: { decision: deny, reason: Too dear }
`;
const key = ['lpk', 'edgeedgeedge', 'e'.repeat(43)].join('_');
const hash = createHash('sha256').update(key).digest('hex');
const edge = createEdge({ policies: policy, default: 'allow', authorize: authorizeByKeys([hash]) });

async function ask(at: Pick<Edge, 'fetch'>, path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await at.fetch(
    new Request(`https://edge.example${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    }),
  );
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: JSON.parse(text) as { readonly error?: { readonly message: string } },
  };
}

const dear = { context: { llm: { model: 'gpt-4o', estimatedCost: 2 } } };

describe('the edge entrance', () => {
  it('decides, one by one, in batches and explained', async () => {
    const one = await ask(edge, '/api/v1/evaluate', dear, { 'x-request-id': 'mine' });
    expect(one).toMatchObject({ status: 200, body: { requestId: 'mine', decision: { decision: 'deny' } } });
    expect(one.headers.get('x-request-id')).toBe('mine');
    const many = await ask(edge, '/v1/evaluate/batch', [dear, { context: {} }]);
    expect(many.body).toMatchObject({
      count: 2,
      results: [{ decision: { allowed: false } }, { decision: { allowed: true } }],
    });
    const told = await ask(edge, '/api/v1/evaluate/explain', dear);
    expect(told.body).toMatchObject({ explanation: { rules: [{ rule: 'house/dear', outcome: 'true' }] } });
  });

  it('refuses who shows no key, another one, or the stored hash', async () => {
    for (const authorization of ['', 'Bearer wrong', `Bearer ${hash}`, `Bearer ${key}x`]) {
      const answer = await ask(edge, '/api/v1/evaluate', dear, { authorization });
      expect(answer).toMatchObject({ status: 401, body: { error: { code: 'invalid_api_key' } } });
    }
    const shown = await ask(edge, '/api/v1/evaluate', dear, { authorization: '', 'x-api-key': key });
    expect(shown.status).toBe(200);
  });

  it('is not built without a word on who may ask', () => {
    expect(() => createEdge({ policies: policy } as never)).toThrow(/who may ask/);
    expect(() => authorizeByKeys([])).toThrow(/at least one/);
    expect(() => authorizeByKeys([key])).toThrow(/SHA-256/);
    expect(() => createEdge({ policies: '', authorize: 'open' })).toThrow(/no policy/);
  });

  it.each([
    ['no JSON', '{', /not JSON/],
    ['a key twice', '{"context": {"llm": {"model": "a", "model": "b"}}}', /twice/],
    ['deep nesting', `{"context": ${'['.repeat(100)}${']'.repeat(100)}}`, /nested deeper/],
    ['no context', '{}', /context/],
    ['an unknown field', '{"context": {}, "contxt": 1}', /contxt/],
  ])('tells what is wrong with a body: %s', async (_name, body, message) => {
    const answer = await ask(edge, '/api/v1/evaluate', body);
    expect(answer).toMatchObject({ status: 400, body: { error: { code: 'invalid_request' } } });
    expect(answer.body.error?.message).toMatch(message);
  });

  it('refuses a body above its limit, and what it does not serve', async () => {
    const small = createEdge({ policies: policy, authorize: 'open', body_bytes_max: 100 });
    expect(await ask(small, '/api/v1/evaluate', { context: { a: 'x'.repeat(200) } })).toMatchObject({ status: 413 });
    expect(await ask(small, '/v1/chat/completions', {})).toMatchObject({ status: 404 });
    const health = await small.fetch(new Request('https://edge.example/health'));
    expect(await health.json()).toEqual({ status: 'ok', program: small.program.id });
  });

  it('lets nothing through where its bindings are missing or wrong', async () => {
    const request = () =>
      new Request('https://edge.example/api/v1/evaluate', { method: 'POST', body: '{"context": {}}' });
    for (const bindings of [
      {},
      { LLM_POLICY_POLICIES: policy },
      { LLM_POLICY_POLICIES: 'metadata: {}', LLM_POLICY_KEY_HASHES: hash },
      { LLM_POLICY_POLICIES: policy, LLM_POLICY_KEY_HASHES: hash, LLM_POLICY_DEFAULT: 'maybe' },
    ]) {
      const answer = await edgeWorker.fetch(request(), bindings);
      expect(answer.status).toBe(503);
      expect(await answer.text()).toMatch(/not configured/);
    }
    const bindings = { LLM_POLICY_POLICIES: policy, LLM_POLICY_KEY_HASHES: hash };
    expect((await edgeWorker.fetch(request(), bindings)).status).toBe(401);
  });

  describe('with modules', () => {
    const rule = (wasm: string) =>
      `metadata: { id: long }\nrules: [{ id: r, wasm: { module: ./long.wasm, inputs: [llm.estimatedTokens]${wasm} }, action: { decision: deny } }]\n`;
    const open = (modules: Record<string, object> | undefined, wasm = '') =>
      createEdge({
        policies: rule(wasm),
        default: 'allow',
        authorize: 'open',
        ...(modules === undefined ? {} : { modules }),
      });
    const asked = { context: { llm: { estimatedTokens: 5_000 } } };

    it('runs those it is given, and leaves the others undecided', async () => {
      const { module } = readModule(await assembled(template));
      const told = (at: Pick<Edge, 'fetch'>, path = 'evaluate') => ask(at, `/api/v1/${path}`, asked);
      expect(await told(open({ './long.wasm': module }))).toMatchObject({
        body: { decision: { decision: 'deny', reason: 'Too long for this rule' }, cached: false },
      });
      expect((await told(open({ './long.wasm': module }), 'evaluate/explain')).body).toMatchObject({
        explanation: { rules: [{ rule: 'long/r', outcome: 'true' }] },
      });
      expect(await told(open(undefined))).toMatchObject({
        body: { decision: { decision: 'deny', unable: [{ reason: 'its module was not run' }] } },
      });
    });

    it('refuses what is no module, breaks the ABI, nobody names, or has a hash to keep to', async () => {
      const { module } = readModule(await assembled(template));
      expect(() => open({ './long.wasm': {} })).toThrow('modules: ./long.wasm: it is no WebAssembly.Module');
      expect(() => open({ './other.wasm': module })).toThrow('modules: ./other.wasm: no rule names it');
      const empty = new (
        globalThis as unknown as { WebAssembly: { Module: new (bytes: Uint8Array) => object } }
      ).WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
      expect(() => open({ './long.wasm': empty })).toThrow('it does not export the memory memory');
      expect(() => open({ './long.wasm': module }, `, sha256: "${'0'.repeat(64)}"`)).toThrow(
        'a policy names its hash, which cannot be told of a compiled module',
      );
    });
  });
});
