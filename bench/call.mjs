// The call that every benchmark of the gateway makes, and those it is made to.
import { join } from 'node:path';
import { startRedis } from './redis.mjs';
import { here, requestBytes, start } from './rig.mjs';

export const team_key = 'bench-team-key-0123456789';

/** 1 KB of prose, as an application would ask. */
export const ask = {
  model: 'bench-model',
  messages: [
    { role: 'system', content: 'You are a helpful assistant for gardeners.' },
    { role: 'user', content: 'Explain how to grow tomatoes on a small balcony in a cold climate, please. '.repeat(11) },
  ],
  temperature: 0.2,
  max_tokens: 400,
};

/** What a reply to it has in it. */
export const expect = 'quick brown fox';

/** The call as it goes over the wire, to be made again and again. */
export function callBytes({ address, key = team_key }, body = ask) {
  return requestBytes(address, '/v1/chat/completions', { authorization: `Bearer ${key}` }, JSON.stringify(body));
}

/** The bare floor, on the first core. */
export function startFloor(provider, env = {}) {
  return start(0, join(here, 'floor.mjs'), [provider.address], env);
}

/** The libraries of a gateway and nothing of ours, on the first core. */
export function startLibraries(provider) {
  return start(0, join(here, 'libraries.mjs'), [provider.address]);
}

/** A gateway on the first core: `keys`, `everything`, and that over a Redis of its own, exact (`redis`) or `leased`. */
export async function startGateway(mode, provider, env = {}, program = join(here, 'gateway.mjs')) {
  const redis = mode === 'redis' || mode === 'leased' ? await startRedis() : undefined;
  const args = [provider.address, mode === 'keys' ? 'keys' : 'everything', ...(redis === undefined ? [] : [redis.url])];
  const gateway = await start(0, program, args, { ...env, ...(mode === 'leased' ? { BENCH_LEASED: '1' } : {}) });
  const stop = async () => {
    await gateway.stop();
    await redis?.stop();
  };
  return { ...gateway, stop };
}
