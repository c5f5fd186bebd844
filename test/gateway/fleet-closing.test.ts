import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { loadConfig, type Settings } from '../../src/config.ts';
import { openFleet } from '../../src/gateway/fleet.ts';
import { testEnv, writeGatewayFiles } from '../support/gateway.ts';
import { openSocket } from '../support/raw-http.ts';
import { eventually } from '../support/wait.ts';

const program = fileURLToPath(new URL('../support/programs/obedient-worker.mjs', import.meta.url));

test('a gateway that is told to end while a worker prepares a configuration lets calls end at once', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'fleet-closing-'));
  const hold = mkdtempSync(join(tmpdir(), 'fleet-closing-hold-'));
  const sockets: Socket[] = [];
  try {
    const { file } = writeGatewayFiles({
      openai: 'http://127.0.0.1:9/v1',
      directory,
      config: { server: { port: 0, shutdown_grace_ms: 200 }, state: { path: join(directory, 'data') } },
    });
    const loaded = await loadConfig({ file, cwd: directory, env: testEnv });
    const { settings } = loaded;
    if (settings === undefined) throw new Error(JSON.stringify(loaded.problems));
    const two: Settings = { ...settings, server: { ...settings.server, workers: 2 } };
    const first = { ...loaded, settings: two };
    // As `obedient-worker.mjs` reads it: it is at it until somebody lets it go on, and nobody does.
    const next = { ...loaded, settings: { ...two, hold }, fingerprint: 'next' };
    const fleet = await openFleet({ loaded: first, load: async () => next, program });
    const reloaded = fleet.reload();
    await eventually(() => readdirSync(hold).length === 2);
    // Nor is a client waited for that never ends its request.
    const { admin = '', metrics } = fleet.addresses;
    for (const origin of [admin, metrics]) {
      const socket = openSocket(origin);
      sockets.push(socket);
      socket.write('GET /metrics HTTP/1.1\r\nhost: here\r\n');
    }
    await wait(200);
    const began = performance.now();
    await fleet.close();
    expect(performance.now() - began).toBeLessThan(15_000);
    await reloaded;
  } finally {
    for (const socket of sockets) socket.destroy();
    for (const one of [directory, hold]) rmSync(one, { recursive: true, force: true });
  }
});
