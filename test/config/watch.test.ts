import { mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ConfigWatch, type LoadedConfig, type Problem, type Settings, watchConfig } from '../../src/config.ts';
import { Place } from './place.ts';

let place: Place;
let watching: ConfigWatch;
let inForce: Settings | undefined;
let refused: (readonly Problem[])[];
let applying: ((settings: Settings) => void | Promise<void>) | undefined;

async function start(gateway: string, env: Record<string, string> = {}): Promise<LoadedConfig> {
  place = new Place(gateway);
  const initial = await place.load(env);
  inForce = initial.settings;
  refused = [];
  applying = undefined;
  watching = watchConfig(
    () => place.load(env),
    async (settings) => {
      await applying?.(settings);
      inForce = settings;
    },
    (problems) => refused.push(problems),
    { initial, quiet_ms: 20, poll_ms: 100 },
  );
  return initial;
}

const port = (number: number) => `server: { port: ${number} }`;
const eventually = (check: () => void) => vi.waitFor(check, { timeout: 60_000, interval: 10 });

beforeEach(() => start(port(1)));
afterEach(async () => {
  await watching.close();
  place.remove();
});

describe('a configuration that is watched', () => {
  it('follows its file, written in place or put in its place by an editor', async () => {
    place.write('gateway.yaml', port(2));
    await eventually(() => expect(inForce?.server.port).toBe(2));
    for (const number of [3, 4]) {
      renameSync(place.write('.gateway.yaml.swp', port(number)), join(place.path, 'gateway.yaml'));
      await eventually(() => expect(inForce?.server.port).toBe(number));
    }
    expect(refused).toEqual([]);
  });

  it('keeps the last good one when the new one is wrong, says why once, and recovers', async () => {
    place.write('gateway.yaml', 'server: { prot: 2 }');
    await eventually(() => expect(refused).toHaveLength(1));
    expect(refused[0]?.[0]).toMatchObject({ line: 1, column: 11 });
    expect(inForce?.server.port).toBe(1);
    place.write('gateway.yaml', port(5));
    await eventually(() => expect(inForce?.server.port).toBe(5));
    expect(refused).toHaveLength(1);
  });

  it('keeps the last good one when it cannot be applied', async () => {
    applying = () => {
      throw new Error('policies do not compile');
    };
    place.write('gateway.yaml', port(2));
    await eventually(() => expect(refused).toHaveLength(1));
    expect(refused[0]?.[0]?.message).toBe('policies do not compile');
    expect(inForce?.server.port).toBe(1);
  });

  it('follows providers and policies: added, changed and removed', async () => {
    place.write('providers/two.yaml', 'id: two\nformat: demo\nmodels: { m2: {} }\n');
    await eventually(() => expect(inForce?.providers).toHaveLength(2));
    rmSync(join(place.path, 'providers/two.yaml'));
    await eventually(() => expect(inForce?.providers).toHaveLength(1));
    place.write('policies/cost/new.yaml', 'first');
    await eventually(() => expect(inForce?.policyFiles).toHaveLength(2));
    place.write('policies/cost/new.yaml', 'second');
    await eventually(() => expect(inForce?.policyFiles[0]?.text).toBe('second'));
  });

  it('refuses a policies directory that vanished and keeps what it had', async () => {
    rmSync(join(place.path, 'policies'), { recursive: true });
    await eventually(() => expect(refused.at(-1)?.[0]?.message).toBe('./policies does not exist'));
    expect(inForce?.policyFiles).toHaveLength(1);
    mkdirSync(join(place.path, 'policies'));
    await eventually(() => expect(refused.at(-1)?.[0]?.message).toContain('holds no policy'));
    expect(inForce?.policyFiles).toHaveLength(1);
  });

  it('follows directories that are swapped by a link, as mounted config maps are', async () => {
    place.write('maps/one/gateway.yaml', port(6));
    place.write('maps/two/gateway.yaml', port(7));
    symlinkSync('one', join(place.path, 'maps/..data'));
    rmSync(join(place.path, 'gateway.yaml'));
    symlinkSync('maps/..data/gateway.yaml', join(place.path, 'gateway.yaml'));
    await eventually(() => expect(inForce?.server.port).toBe(6));
    symlinkSync('two', join(place.path, 'maps/..new'));
    renameSync(join(place.path, 'maps/..new'), join(place.path, 'maps/..data'));
    await eventually(() => expect(inForce?.server.port).toBe(7));
  });

  it('is read again on a signal, and on request', async () => {
    let times = 0;
    applying = () => {
      times += 1;
    };
    process.emit('SIGHUP');
    await eventually(() => expect(times).toBe(1));
    expect(await watching.reload()).toBe('applied');
    expect(times).toBe(2);
  });

  it('follows the files its secrets are in', async () => {
    await watching.close();
    place.remove();
    place = new Place();
    place.write('key', 'first\n');
    place.write('gateway.yaml', `admin: { keys: ["\${file:key}"] }`);
    const initial = await place.load();
    inForce = initial.settings;
    watching = watchConfig(
      () => place.load(),
      (settings) => {
        inForce = settings;
      },
      (problems) => refused.push(problems),
      { initial, quiet_ms: 20, poll_ms: 100 },
    );
    place.write('key', 'second\n');
    await eventually(() => expect(inForce?.admin.keys[0]?.reveal()).toBe('second'));
  });

  it('is seen to change where other files are written to all the time', async () => {
    const noise = setInterval(() => place.write('log', String(Math.random())), 5);
    try {
      place.write('gateway.yaml', port(8));
      await eventually(() => expect(inForce?.server.port).toBe(8));
    } finally {
      clearInterval(noise);
    }
  });

  it('is not applied again for a change that changes nothing', async () => {
    let times = 0;
    applying = () => {
      times += 1;
    };
    place.write('gateway.yaml', `# a comment\n${port(1)}`);
    place.write('gateway.yaml', `# another\n${port(1)}`);
    place.write('marker', '');
    place.write('gateway.yaml', port(9));
    await eventually(() => expect(inForce?.server.port).toBe(9));
    expect(times).toBe(1);
  });
});
