import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Place } from './place.ts';

let place: Place;
beforeEach(() => {
  place = new Place();
});
afterEach(() => place.remove());

const openai = (key: string) =>
  `id: real\nformat: openai\nbase_url: https://x.test/v1\nauth: { type: bearer, key: "${key}" }\nenabled_if: "\${K:-}"\nmodels: { m: {} }\n`;

describe('providers', () => {
  it('are read from directories and from files', async () => {
    place.write('more.yaml', 'id: more\nformat: demo\nmodels: { m2: {} }\n');
    place.write('gateway.yaml', 'providers: [./providers, ./more.yaml]');
    const { settings, problems } = await place.load();
    expect(problems).toEqual([]);
    expect(settings?.providers.map(({ id }) => id)).toEqual(['demo', 'more']);
  });

  it('whose condition is empty are off, and need none of their references', async () => {
    place.write('providers/real.yaml', openai(`\${K}`));
    place.write(
      'gateway.yaml',
      'models: { fast: { candidates: [{ provider: real, model: m }, { provider: demo, model: demo-small }] }, far: { candidates: [{ provider: real, model: m }] } }',
    );
    const off = await place.load();
    expect(off.problems).toEqual([]);
    expect(off.settings?.providersOff).toEqual(['real']);
    expect(off.settings?.models).toEqual({
      fast: { strategy: 'fallback', candidates: [{ provider: 'demo', model: 'demo-small', weight: 1 }] },
    });
    const on = await place.load({ K: 'k' });
    expect(on.settings?.providers.map(({ id }) => id)).toEqual(['demo', 'real']);
    expect(on.settings?.models.far?.candidates).toHaveLength(1);
  });

  it('keep to their schema, on or off, and their keys are no literals', async () => {
    place.write('providers/real.yaml', `${openai('sk-literal')}modles: {}\n`);
    const { problems } = await place.load();
    expect(problems.map(({ file, line, column, message }) => [file, line, column, message])).toEqual([
      ['providers/real.yaml', 4, 28, expect.stringContaining('a secret may not stand in the file')],
      ['providers/real.yaml', 7, 1, "unknown key 'modles'; did you mean 'models'?"],
    ]);
  });

  it('have ids of their own', async () => {
    place.write('providers/again.yaml', 'id: demo\nformat: demo\nmodels: { m2: {} }\n');
    const { problems } = await place.load();
    expect(problems).toEqual([
      {
        file: 'providers/demo.yaml',
        line: 1,
        column: 5,
        key: 'id',
        message: "the provider 'demo' is defined in providers/again.yaml as well",
      },
    ]);
  });

  it('that are gone are a problem, and so is having none', async () => {
    rmSync(join(place.path, 'providers'), { recursive: true });
    expect((await place.load()).problems.map(({ message }) => message)).toEqual(['./providers does not exist']);
    mkdirSync(join(place.path, 'providers'));
    expect((await place.load()).problems.map(({ message }) => message)).toEqual(['./providers holds no provider']);
    place.write('providers/real.yaml', openai(`\${K}`));
    expect((await place.load()).problems.map(({ message }) => message)).toEqual([
      'no provider is on: nothing could be served',
    ]);
  });
});

describe('policies', () => {
  const text = 'metadata: { id: p, name: P, version: 1.0.0 }\nrules: []\n';
  const enabled = async (patterns: string) => {
    place.write('gateway.yaml', `policies: { enabled: ${patterns} }`);
    const { settings, problems } = await place.load();
    return (
      settings?.policyFiles.map(({ path }) => path.replace('policies/', '')) ?? problems.map(({ message }) => message)
    );
  };

  it('are enabled by patterns over their names, and their tests are none', async () => {
    for (const name of [
      'security/two.yaml',
      'security/deep/three.yml',
      'cost/cap.json',
      'top.yaml',
      'top.policytest.yaml',
    ]) {
      place.write(`policies/${name}`, text);
    }
    place.write('policies/.hidden/x.yaml', text);
    place.write('policies/readme.md', 'no policy');
    expect(await enabled('[security/*]')).toEqual(['security/one.yaml', 'security/two.yaml']);
    expect(await enabled('[security/**]')).toEqual([
      'security/deep/three.yml',
      'security/one.yaml',
      'security/two.yaml',
    ]);
    expect(await enabled('[cost/cap, "*"]')).toEqual(['cost/cap.json', 'top.yaml']);
    expect(await enabled('["**/t*"]')).toEqual(['security/deep/three.yml', 'security/two.yaml', 'top.yaml']);
    expect(await enabled('[top.yaml, top]')).toEqual(['top.yaml']);
    expect(await enabled('["**"]')).toHaveLength(5);
  });

  it('that vanished are an error, never a gateway that allows everything', async () => {
    expect(await enabled('[security/*, nothing/*]')).toEqual(["'nothing/*' matches no policy below ./policies"]);
    expect(await enabled('[]')).toEqual([expect.stringContaining('no policy is enabled')]);
    rmSync(join(place.path, 'policies/security'), { recursive: true });
    expect(await enabled('["**"]')).toEqual([expect.stringContaining('./policies holds no policy')]);
    rmSync(join(place.path, 'policies'), { recursive: true });
    expect(await enabled('["**"]')).toEqual(['./policies does not exist']);
  });
});
