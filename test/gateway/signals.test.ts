import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { servePdp } from '../../src/cli/pdp-port.ts';
import { serveGateway } from '../../src/cli/serve-port.ts';
import { testEnv, writeGatewayFiles } from '../support/gateway.ts';
import { writePdpFiles } from '../support/pdp.ts';

const listeners = () => ['SIGHUP', 'SIGUSR2'].map((signal) => process.listenerCount(signal));

test('a gateway listens to signals no longer than it serves, nor where it could not start', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'signals-'));
  try {
    const before = listeners();
    const { file } = writeGatewayFiles({
      openai: 'http://127.0.0.1:9/v1',
      directory,
      config: { server: { port: 0 }, state: { path: join(directory, 'data') } },
    });
    const location = { file, cwd: directory, env: testEnv };
    const gateway = await serveGateway(location, '0');
    expect(listeners()).not.toEqual(before);
    await gateway.close();
    expect(listeners()).toEqual(before);
    await expect(serveGateway({ ...location, env: {} }, '0')).rejects.toThrow();
    expect(listeners()).toEqual(before);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('nor does a daemon', async () => {
  const before = listeners();
  const { directory, file } = writePdpFiles();
  try {
    const location = { file, cwd: directory, base: directory, env: testEnv };
    const daemon = await servePdp(location, '0');
    expect(listeners()).not.toEqual(before);
    await daemon.close();
    expect(listeners()).toEqual(before);
    await expect(servePdp({ ...location, env: {} }, '0')).rejects.toThrow();
    expect(listeners()).toEqual(before);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
