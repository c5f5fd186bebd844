import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadConfig, loadPdpConfig, publishedSchema } from '../../src/config.ts';
import { Place } from '../config/place.ts';
import { run } from './world.ts';

let place: Place;
beforeEach(() => {
  place = new Place(`admin: { keys: ["\${ADMIN:-}"] }\n`);
});
afterEach(() => place.remove());
const config = (args: string[], env: Record<string, string> = {}) =>
  run(place.path, ['config', ...args, '--config', 'gateway.yaml'], { env });

describe('config check', () => {
  it('finds nothing, or everything with its place', async () => {
    expect(await config(['check'])).toEqual({ code: 0, out: 'The configuration is fine.\n', err: '' });
    place.write('gateway.yaml', 'server: { prot: 1 }\nrooting: {}\n');
    expect(await config(['check'])).toEqual({
      code: 1,
      out: "gateway.yaml:1:11: unknown key 'prot'; did you mean 'port'?\ngateway.yaml:2:1: unknown key 'rooting'; did you mean 'routing'?\n",
      err: '',
    });
    const json = JSON.parse((await config(['check', '--json'])).out);
    expect(json).toMatchObject({ ok: false, problems: [{ file: 'gateway.yaml', line: 1, column: 11 }, { line: 2 }] });
  });

  it('looks into the enabled policies as well', async () => {
    place.write('policies/security/bad.yaml', 'metadata: { id: bad, name: Bad, version: 1.0.0 }\nrulez: []\n');
    const { code, out } = await config(['check']);
    expect(code).toBe(1);
    expect(out).toMatch(/^policies\/security\/bad\.yaml:2:1: .*did you mean 'rules'\?/);
  });

  it('knows the providers and models that rules send calls to, whether they are on or off', async () => {
    const rule = (action: string) =>
      place.write(
        'policies/security/route.yaml',
        `metadata: { id: route, version: 1.0.0 }\nrules:\n  - id: r\n    action: { decision: modify, ${action} }\n`,
      );
    rule('route_to: [elsewhere]');
    const { code, out } = await config(['check']);
    expect([code, out]).toEqual([
      1,
      "policies/security/route.yaml:4:5: the rule r: route_to: there is no provider 'elsewhere'\n",
    ]);
    place.write(
      'providers/elsewhere.yaml',
      `id: elsewhere\nformat: openai\nbase_url: http://127.0.0.1:1/v1\nenabled_if: "\${NOT_SET:-}"\nmodels: { near-*: {} }\n`,
    );
    for (const action of ['route_to: [elsewhere]', 'route_to: elsewhere/near-by', 'substitute_model: near-by']) {
      rule(action);
      expect(await config(['check'])).toMatchObject({ code: 0 });
    }
    rule('route_to: elsewhere/far');
    expect((await config(['check'])).out).toContain("the provider 'elsewhere' has no model 'far'");
    place.write(
      'policies/security/route.yaml',
      `metadata: { id: route, version: 1.0.0 }\nrules:\n  - id: r\n    when: modelPrice("far", "input") > 1.0\n    action: { decision: deny }\n`,
    );
    expect((await config(['check'])).out).toContain(
      "policies/security/route.yaml:4:5: the rule r: price: no provider and no entry of models has a model 'far'",
    );
  });
});

describe('config print', () => {
  it('shows what is in force, and no secret', async () => {
    const { code, out } = await config(['print'], { ADMIN: 's3cret', PORT: '9999' });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      server: { port: 9999 },
      admin: { keys: ['[secret]'] },
      routing: { retries: 2 },
    });
    expect(out).not.toContain('s3cret');
  });

  it('cannot, where there are problems', async () => {
    place.write('gateway.yaml', 'server: 1');
    expect(await config(['print'])).toMatchObject({ code: 3, out: '' });
  });
});

describe('the published schema', () => {
  const root = new URL('../../', import.meta.url);
  const published = readFileSync(new URL('config/gateway.schema.json', root), 'utf8');

  it('is the one the program validates with', async () => {
    expect(published).toBe((await config(['schema'])).out);
    expect(published).toBe((await config(['schema', 'gateway'])).out);
  });

  it('has a sibling for the daemon, whose shipped file names it and loads', async () => {
    expect(readFileSync(new URL('config/pdp.schema.json', root), 'utf8')).toBe((await config(['schema', 'pdp'])).out);
    const text = readFileSync(new URL('config/pdp.yaml', root), 'utf8');
    expect(text.split('\n')[0]).toBe('# yaml-language-server: $schema=./pdp.schema.json');
    const { problems } = await loadPdpConfig({ file: 'config/pdp.yaml', env: {}, cwd: fileURLToPath(root) });
    expect(problems).toEqual([]);
  });

  it('has a sibling for providers, which every shipped provider names and keeps to', async () => {
    const provider = readFileSync(new URL('config/provider.schema.json', root), 'utf8');
    expect(provider).toBe((await config(['schema', 'provider'])).out);
    const check = new Ajv2020({ strict: false, validateFormats: false }).compile(JSON.parse(provider));
    const files = readdirSync(new URL('providers/', root)).filter((name) => name.endsWith('.yaml'));
    expect(files.length).toBeGreaterThan(10);
    for (const name of files) {
      const text = readFileSync(new URL(`providers/${name}`, root), 'utf8');
      expect(text.split('\n')[0], name).toBe('# yaml-language-server: $schema=../config/provider.schema.json');
      expect([name, check(parse(text)), check.errors]).toEqual([name, true, null]);
    }
    expect(check({ id: 'x', format: 'openai', models: { m: { input_usd_per_mtok: `\${RATE:-1}` } } })).toBe(true);
    for (const wrong of [
      { id: 'x', format: 'openai' },
      { id: 'x', format: 'openai', models: {}, modles: {} },
    ]) {
      expect(check(wrong), JSON.stringify(wrong)).toBe(false);
    }
  });

  it('is there for policies as well, and takes those that are shipped', async () => {
    const { out } = await config(['schema', 'policy']);
    const check = new Ajv2020({ strict: false, validateFormats: false }).compile(JSON.parse(out));
    const files = readdirSync(new URL('policies/', root), { recursive: true, encoding: 'utf8' });
    const policies = files.filter((name) => /(?<!\.policytest)\.yaml$/.test(name));
    expect(policies.length).toBeGreaterThan(10);
    for (const name of policies) {
      const value = parse(readFileSync(new URL(`policies/${name}`, root), 'utf8'));
      expect([name, check(value), check.errors]).toEqual([name, true, null]);
    }
    expect(check({ metadata: { id: 'x' }, rulez: [] })).toBe(false);
  });

  it('is told for known kinds of files alone', async () => {
    expect(await config(['schema', 'polcy'])).toEqual({
      code: 2,
      out: '',
      err: "llm-policy: there is no schema 'polcy': gateway, pdp, provider, policy\n",
    });
    expect((await config(['schema', 'policy', 'more'])).code).toBe(2);
  });

  it('is named in the first line of the shipped configuration', () => {
    const [first] = readFileSync(new URL('config/gateway.yaml', root), 'utf8').split('\n');
    expect(first).toBe('# yaml-language-server: $schema=./gateway.schema.json');
  });

  it('takes the shipped configuration, an empty one and references, and refuses unknown keys', () => {
    const check = new Ajv2020({ strict: false, validateFormats: false }).compile(publishedSchema());
    const shipped = parse(readFileSync(new URL('config/gateway.yaml', root), 'utf8'));
    expect([check(shipped), check.errors]).toEqual([true, null]);
    expect(check({})).toBe(true);
    const users = { default: { budgets: [{ window: 'day', limit_usd: `\${LIMIT}` }] } };
    expect(check({ organizations: [{ id: 'acme', teams: [{ id: 'research', users }] }] })).toBe(true);
    expect(check({ server: { port: `\${PORT}` }, auth: { keys: `\${KEYS:-true}` } })).toBe(true);
    for (const wrong of [
      { sever: {} },
      { server: { prot: 1 } },
      { server: { port: 'x' } },
      { server: { port: 1.5 } },
    ]) {
      expect(check(wrong), JSON.stringify(wrong)).toBe(false);
    }
  });

  it('describes the shipped configuration, which is fine as it is', async () => {
    const cwd = fileURLToPath(root);
    const { settings, problems } = await loadConfig({ file: 'config/gateway.yaml', env: {}, cwd });
    expect(problems).toEqual([]);
    expect(settings?.organizations[0]?.teams[0]?.budgets[0]).toMatchObject({ window: 'day', limit_usd: 5 });
    expect(settings?.providers.map(({ id }) => id)).toContain('demo');
    expect((await run(cwd, ['config', 'check'])).out).toBe('The configuration is fine.\n');
  });
});
