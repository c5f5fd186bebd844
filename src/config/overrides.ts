import type { Override } from './expand.ts';

/** A variable and the key it goes over. */
export type Variable = readonly [name: string, path: readonly string[]];

/** Variables that go over the gateway's file, and where (CONTRACT.md, Configuration). */
const gatewayVariables = [
  ['PORT', ['server', 'port']],
  ['HOST', ['server', 'host']],
  ['ADMIN_PORT', ['admin', 'port']],
  ['METRICS_PORT', ['metrics', 'port']],
  ['GRPC_PORT', ['grpc', 'port']],
  ['REDIS_URL', ['state', 'url']],
  ['DATABASE_URL', ['database', 'url']],
  ['LOG_LEVEL', ['telemetry', 'log_level']],
  ['WORKERS', ['server', 'workers']],
] as const satisfies readonly Variable[];

/**
 * What the environment puts over the file. An empty variable is as good as none. `REDIS_URL` switches the state to
 * Redis as well: an address that was given and not used would be a surprise.
 */
export function environmentOverrides(
  env: Readonly<Record<string, string | undefined>>,
  variables: readonly Variable[] = gatewayVariables,
): readonly Override[] {
  const overrides: Override[] = [];
  for (const [name, path] of variables) {
    const text = env[name];
    if (text === undefined || text === '') continue;
    overrides.push({ path, text, name });
    if (name === 'REDIS_URL') overrides.push({ path: ['state', 'driver'], text: 'redis', name });
  }
  return overrides;
}
