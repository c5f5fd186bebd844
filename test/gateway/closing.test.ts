import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { queryTrail } from '../../src/observe/index.ts';
import { adminKey, startGateway } from '../support/gateway.ts';
import { openSocket, rawReply, requestBytes } from '../support/raw-http.ts';

test('a change that an administrator is making as the gateway stops is recorded', async () => {
  const house = await startGateway({
    openai: 'http://127.0.0.1:9/v1',
    config: { server: { port: 0, shutdown_grace_ms: 20_000 } },
  });
  const trail = join(house.directory, 'data', 'spool', 'spools', 'gateway', 'lock');
  const bytes = requestBytes(house.admin, {
    target: '/admin/v1/keys',
    headers: [
      ['Authorization', `Bearer ${adminKey}`],
      ['Content-Type', 'application/json'],
    ],
    body: JSON.stringify({ organization: 'acme', team: 'research' }),
  });
  const socket = openSocket(house.admin);
  try {
    // All but its last byte: the gateway is at it, and cannot go on.
    socket.write(bytes.subarray(0, -1));
    await wait(200);
    const closed = house.close(true);
    // Whoever closes the trail first has done so by now.
    for (let looks = 0; looks < 20 && existsSync(trail); looks += 1) await wait(50);
    const { status, body } = await rawReply(socket, bytes.subarray(-1));
    expect(status).toBe(201);
    await closed;
    const made: unknown[] = [];
    for await (const { record } of queryTrail(join(house.directory, 'data', 'audit'), { decision: 'admin' }))
      made.push(record.change);
    expect(made).toMatchObject([{ action: 'key.create', target: JSON.parse(body).id }]);
  } finally {
    socket.destroy();
    rmSync(house.directory, { recursive: true, force: true });
  }
});

test('a client that never ends its request holds up no end, whichever listener it is at', async () => {
  const house = await startGateway({
    openai: 'http://127.0.0.1:9/v1',
    config: { server: { port: 0, shutdown_grace_ms: 200 } },
  });
  const sockets = [house.admin, house.metrics].map(openSocket);
  try {
    for (const socket of sockets) socket.write('GET /metrics HTTP/1.1\r\nhost: here\r\n');
    await wait(200);
    const began = performance.now();
    await house.close();
    expect(performance.now() - began).toBeLessThan(20_000);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});
