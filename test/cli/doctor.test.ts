import { existsSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Place } from '../config/place.ts';
import { freePort } from '../support/free-port.ts';
import { adminKey, ref, startGateway } from '../support/gateway.ts';
import { run } from './world.ts';

let place: Place;
let ports: Record<string, number>;
const gateway = (more = '') =>
  `server: { port: ${ports.server} }\nadmin: { port: ${ports.admin}, keys: ["${ref('ADMIN')}"] }\nmetrics: { port: ${ports.metrics} }\n${more}`;
beforeEach(async () => {
  const [server, admin, metrics] = [await freePort(), await freePort(), await freePort()];
  ports = { server, admin, metrics };
  place = new Place(gateway());
});
afterEach(() => place.remove());

interface Check {
  what: string;
  state: string;
  detail: string;
  advice?: string;
}
async function doctor(env: Record<string, string> = { ADMIN: adminKey }) {
  const args = ['doctor', '--config', 'gateway.yaml'];
  const { code, out, err } = await run(place.path, [...args, '--json'], { env });
  expect(err).toBe('');
  const told = JSON.parse(out) as { ok: boolean; checks: Check[] };
  expect(told.ok).toBe(code === 0);
  expect([0, 1]).toContain(code);
  const text = await run(place.path, args, { env });
  expect(text.code).toBe(code);
  return { ...told, code, text: text.out, of: (what: string) => told.checks.find((check) => check.what === what) };
}

describe('doctor', () => {
  it('finds an installation fine that is, and leaves nothing behind', async () => {
    const { ok, of, text, checks } = await doctor();
    expect(ok).toBe(true);
    expect(checks.map(({ what }) => what)).toEqual([
      'node',
      'configuration',
      'policies',
      'providers',
      'workers',
      'data',
      'gateway',
      'ports',
    ]);
    expect(of('providers')).toMatchObject({ state: 'note', advice: expect.stringContaining('OPENAI_API_KEY') });
    expect(of('gateway')).toMatchObject({ state: 'note', detail: `none answers at http://127.0.0.1:${ports.admin}` });
    expect(of('ports')).toMatchObject({ state: 'fine' });
    expect(text).toMatch(/^ok +node: .*\nok +configuration: .*\nok +policies: 1 file is in force\n/m);
    expect(existsSync(join(place.path, 'data'))).toBe(false);
  });

  it('tells a gateway that runs and is ready', async () => {
    const running = await startGateway({
      providers: { demo: { id: 'demo', format: 'demo', models: { demo: {} } } },
      config: { admin: { port: ports.admin, keys: [ref('TEST_ADMIN_KEY')] } },
    });
    try {
      expect((await doctor()).of('gateway')).toMatchObject({
        state: 'fine',
        detail: `ready at http://127.0.0.1:${ports.admin}, 1 of 1 worker`,
      });
      // The variables of the shell that asks are not those of the gateway.
      place.write(
        'providers/openai.yaml',
        `{ id: openai, format: openai, base_url: "https://127.0.0.1/v1", enabled_if: "${ref('OPENAI_API_KEY:-')}", models: { m: {} } }`,
      );
      expect((await doctor({ ADMIN: adminKey, OPENAI_API_KEY: 'sk-of-this-shell' })).of('providers')).toMatchObject({
        state: 'note',
        detail: 'on: demo; off: none',
      });
      const other = await doctor({ ADMIN: `${adminKey}x` });
      expect(other.code).toBe(1);
      expect(other.of('gateway')).toMatchObject({
        state: 'wrong',
        detail: expect.stringContaining('does not know this admin key'),
        advice: expect.any(String),
      });
    } finally {
      await running.close();
    }
  });

  it('names every problem of the configuration and of policies with its place, and what to do', async () => {
    place.write('gateway.yaml', 'server: { prot: 1 }\nrooting: {}\n');
    const wrong = await doctor();
    expect(wrong.code).toBe(1);
    expect(wrong.text).toMatch(
      /^WRONG {2}configuration: gateway\.yaml:1:11: unknown key 'prot'; did you mean 'port'\?\n {22}gateway\.yaml:2:1: .*\n {7}-> Mend/m,
    );
    place.write('gateway.yaml', gateway());
    place.write('policies/bad.yaml', 'metadata: { id: bad, name: Bad, version: 1.0.0 }\nrulez: []\n');
    expect((await doctor()).of('policies')).toMatchObject({
      state: 'wrong',
      detail: expect.stringMatching(/^policies\/bad\.yaml:2:1: .*rules/),
      advice: expect.stringContaining('llm-policy validate'),
    });
  });

  it('finds a port that is taken', async () => {
    const taken: Server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    try {
      ports = { ...ports, metrics: (taken.address() as AddressInfo).port };
      place.write('gateway.yaml', gateway());
      const { code, of } = await doctor();
      expect(code).toBe(1);
      expect(of('metrics port')).toMatchObject({
        state: 'wrong',
        detail: `127.0.0.1:${ports.metrics} is taken: another program listens there`,
        advice: 'Choose another with metrics.port.',
      });
    } finally {
      taken.close();
    }
  });

  it('says why Redis cannot be had, without its password', async () => {
    const url = `redis://:hunter2${'x'}@127.0.0.1:${await freePort()}`;
    place.write('gateway.yaml', gateway(`state: { driver: redis, url: "${ref('R')}", path: ./data }\n`));
    const { code, of, text } = await doctor({ ADMIN: adminKey, R: url });
    expect(code).toBe(1);
    expect(of('redis')).toMatchObject({
      state: 'wrong',
      detail: expect.stringContaining('ECONNREFUSED'),
      advice: expect.stringContaining('state.url'),
    });
    expect(text).not.toContain('hunter2');
  });

  it('is told of a configuration that is not there, and of words it does not know', async () => {
    rmSync(join(place.path, 'gateway.yaml'));
    expect((await doctor()).of('configuration')).toMatchObject({
      state: 'wrong',
      detail: 'gateway.yaml: does not exist',
    });
    expect(await run(place.path, ['doctor', 'please'])).toMatchObject({
      code: 2,
      err: "llm-policy: 'doctor' takes no 'please'\n",
    });
  });
});
