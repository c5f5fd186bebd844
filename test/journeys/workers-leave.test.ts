import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { type FleetProcess, startFleet } from '../support/fleet.ts';
import { openFleetHouse } from '../support/fleet-house.ts';
import { eventually, hi, teamKeyOf } from '../support/money.ts';
import { openSocket, type RawReply, rawReply, requestBytes } from '../support/raw-http.ts';

const house = openFleetHouse();
let fleet: FleetProcess;
const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

async function start(): Promise<void> {
  fleet = await startFleet({
    teams: { research: { budgets: [{ window: 'total', limit_usd: 10 }] } },
    redisUrl: house.redis.url,
    provider: house.provider.baseUrl,
    workers: 2,
    server: { shutdown_grace_ms: 15_000 },
  });
  await fleet.ready(2);
}

/** Connections that are kept: the workers take turns, so that each has half of them. */
function connections(count: number): Socket[] {
  const opened = Array.from({ length: count }, () => openSocket(fleet.origin));
  sockets.push(...opened);
  return opened;
}

function ask(socket: Socket, more: { readonly stream?: boolean } = {}): Promise<RawReply> {
  const headers = [
    ['Authorization', `Bearer ${teamKeyOf('research')}`],
    ['Content-Type', 'application/json'],
    ['Connection', 'keep-alive'],
  ] as const;
  const body = JSON.stringify({ model: 'gpt-4o', max_tokens: 50, messages: hi, ...more });
  return rawReply(socket, requestBytes(fleet.origin, { target: '/v1/chat/completions', headers, body }));
}

const connectionOf = ({ status, headers }: RawReply) => [status, headers.connection];

/** Tells the workers to leave one by one, and gives back the first of them while it does. */
async function leaving(): Promise<number> {
  const [first] = await fleet.workers();
  fleet.cli.kill('SIGUSR2');
  await eventually('the first one leaves', async () => (await fleet.workers())[0]?.state === 'draining');
  return first?.pid ?? 0;
}

describe('a worker that leaves', { timeout: 120_000 }, () => {
  test('answers what came over kept-alive connections while it could not look, however late it looks', async () => {
    await start();
    const kept = connections(6);
    for (const socket of kept) expect(connectionOf(await ask(socket))).toEqual([200, 'keep-alive']);
    const pid = await leaving();
    process.kill(pid, 'SIGSTOP');
    const asked = kept.map((socket) => ask(socket));
    await wait(2500);
    process.kill(pid, 'SIGCONT');
    const replies = (await Promise.all(asked)).map(connectionOf);
    expect(replies.filter(([status]) => status !== 200)).toEqual([]);
    expect(replies.filter(([, connection]) => connection === 'close')).not.toEqual([]);
  });

  test('tells the clients whose calls were under way before that their connections close', async () => {
    await start();
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    house.provider.reply = async () => {
      await gate;
      return {};
    };
    const asked = connections(6).map((socket) => ask(socket));
    await eventually('all are at the provider', () => house.provider.requests.length === 6);
    await leaving();
    // It was told: now it has time to hear it.
    await wait(1500);
    open();
    const replies = (await Promise.all(asked)).map(connectionOf);
    expect(replies.filter(([status]) => status !== 200)).toEqual([]);
    expect(replies.filter(([, connection]) => connection === 'close')).not.toEqual([]);
  });

  test('waits for the next call of a client whose stream had begun before and could not be told', async () => {
    await start();
    house.provider.reply = () => ({ text: 'one two three four five six', pace_ms: 1000 });
    const kept = connections(6);
    const asked = kept.map((socket) => ask(socket, { stream: true }));
    await eventually('all have begun', () => kept.every(({ bytesRead }) => bytesRead > 0));
    await leaving();
    const replies = await Promise.all(
      kept.map(async (socket, at) => {
        expect(connectionOf((await asked[at]) as RawReply)).toEqual([200, 'keep-alive']);
        await wait(300);
        return connectionOf(await ask(socket));
      }),
    );
    expect(replies.filter(([status]) => status !== 200)).toEqual([]);
  });
});
