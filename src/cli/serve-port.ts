import { readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import {
  ensureStartKeys,
  type LoadedConfig,
  type LoadOptions,
  loadConfig,
  problemText,
  type StartKeys,
} from '../config.ts';
import { leaveStartBehind, tuneHeap } from '../gateway/heap.ts';
import { workerCount } from '../gateway/slots.ts';
import { fullDiskInWords } from '../gateway/whole.ts';
import type { GatewayOptions, RunningGateway as Running } from '../gateway.ts';
import { CannotRun } from '../surfaces/cli/command.ts';
import type { RunningGateway } from '../surfaces/cli/ports.ts';
import { heard, whileHeard } from './signals.ts';

const teamVariable = 'LLM_POLICY_TEAM_KEY';
const adminVariable = 'LLM_POLICY_ADMIN_KEY';

/**
 * Opens the gateway. Where the configuration names the two start keys and the environment does not give them, they are
 * made on the first run and kept in the data directory: a first call needs no preparation.
 */
export async function serveGateway(location: LoadOptions, version: string): Promise<RunningGateway> {
  // They would end a process that does not listen to them yet. What changed meanwhile is seen when files are watched, and workers are new.
  return await whileHeard({ SIGHUP: () => {}, SIGUSR2: () => {} }, () => served(location, version));
}

async function served(location: LoadOptions, version: string): Promise<RunningGateway> {
  const first = await settled(location);
  const made = startKeys(location, first);
  const env = made === undefined ? location.env : withKeys(location.env, made);
  const load = () => loadConfig({ ...location, env });
  const loaded = made === undefined ? first : await settled({ ...location, env });
  tuneHeap();
  const workers = workerCount(loaded.settings);
  const gateway = await opened(workers, { loaded, load });
  leaveStartBehind();
  const one = () => gateway.log.warn('SIGUSR2 replaces workers; this gateway is one process');
  const unanswered = workers === 1 ? heard({ SIGUSR2: one }) : () => {};
  const cwd = location.cwd ?? process.cwd();
  const { settings } = gateway;
  return {
    version,
    addresses: gateway.addresses,
    workers,
    providers: settings.providers.map(({ id }) => id),
    providersOff: settings.providersOff,
    policies: gateway.policies,
    program: gateway.program,
    model: gateway.firstModel,
    teamKey: made?.teamKey.reveal(),
    teamKeyFile: made === undefined ? undefined : relative(cwd, made.teamKeyFile),
    adminKeyFile: made === undefined || location.env[adminVariable] ? undefined : relative(cwd, made.adminKeyFile),
    log: (message) => gateway.log.info(message),
    async close() {
      await gateway.close();
      unanswered();
    },
  };
}

/** The process of a fleet loads nothing of what serves calls: its workers do. */
async function opened(workers: number, options: GatewayOptions): Promise<Running> {
  if (workers > 1) {
    const { openFleet } = await import('../gateway/fleet.ts');
    return await openFleet(options);
  }
  const { openGateway } = await import('../gateway.ts');
  return await openGateway(options);
}

async function settled(
  location: LoadOptions,
): Promise<LoadedConfig & { readonly settings: NonNullable<LoadedConfig['settings']> }> {
  const loaded = await loadConfig(location);
  const { settings } = loaded;
  if (settings === undefined) throw new CannotRun(loaded.problems.map(problemText).join('\n'));
  return { ...loaded, settings };
}

function startKeys(location: LoadOptions, { settings }: Awaited<ReturnType<typeof settled>>): StartKeys | undefined {
  const text = readFileSync(resolve(location.cwd ?? process.cwd(), location.file), 'utf8');
  const given = (location.env[teamVariable] ?? '') !== '';
  if (given || !text.includes(teamVariable)) return undefined;
  try {
    return ensureStartKeys(settings.state.path);
  } catch (reason) {
    throw fullDiskInWords(reason, settings.state.path);
  }
}

function withKeys(env: LoadOptions['env'], { teamKey, adminKey }: StartKeys): LoadOptions['env'] {
  const admin = env[adminVariable];
  return {
    ...env,
    [teamVariable]: teamKey.reveal(),
    [adminVariable]: admin === undefined || admin === '' ? adminKey.reveal() : admin,
  };
}
