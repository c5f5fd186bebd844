import { accessSync, constants, existsSync, statfsSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { type LoadOptions, loadConfig, problemText, type Settings } from '../config.ts';
import { openLedger } from '../gateway/open-stores.ts';
import { workerCount } from '../gateway/slots.ts';
import { openLog } from '../observe/index.ts';
import { fileProblemText } from '../surfaces/cli/config.ts';
import type { Check, FileProblem } from '../surfaces/cli/ports.ts';
import { adminClient } from './admin-client.ts';
import { policyProblems } from './configured.ts';

/** Looks at everything a gateway stands on. Changes nothing. */
export async function diagnose(location: LoadOptions): Promise<readonly Check[]> {
  const checks: Check[] = [node()];
  const { settings, problems } = await loadConfig(location);
  if (settings === undefined) {
    const detail = problems.map(problemText).join('\n');
    return [...checks, { what: 'configuration', state: 'wrong', detail, advice: 'Mend the places named above.' }];
  }
  checks.push({ what: 'configuration', state: 'fine', detail: settings.file });
  const running = await gateway(settings);
  checks.push(
    policies(settings, await policyProblems(settings)),
    providers(running.settings ?? settings),
    workers(settings),
    disk(settings.state.path),
  );
  checks.push(...running.checks);
  if (settings.state.driver === 'redis') checks.push(await redis(settings));
  return checks;
}

function node(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const fine = major > 20 || (major === 20 && minor >= 19);
  return fine
    ? { what: 'node', state: 'fine', detail: process.versions.node }
    : { what: 'node', state: 'wrong', detail: process.versions.node, advice: 'Install Node 20.19 or later.' };
}

function policies(settings: Settings, problems: readonly FileProblem[]): Check {
  const policyFiles = settings.policyFiles.filter(({ library }) => library !== true);
  if (problems.length === 0)
    return {
      what: 'policies',
      state: 'fine',
      detail: `${policyFiles.length} ${policyFiles.length === 1 ? 'file is' : 'files are'} in force`,
    };
  const detail = problems.map(fileProblemText).join('\n');
  return { what: 'policies', state: 'wrong', detail, advice: 'Mend them; `llm-policy validate` tells more.' };
}

/** Of a gateway that runs its own: variables turn providers on, and it has others than the shell that asks. */
function providers({ providers: on, providersOff }: ProviderSettings): Check {
  const detail = `on: ${on.map(({ id }) => id).join(', ')}; off: ${providersOff.join(', ') || 'none'}`;
  const onlyDemo = on.every(({ format }) => format === 'demo');
  return onlyDemo
    ? {
        what: 'providers',
        state: 'note',
        detail,
        advice: 'Only the demo answers: set OPENAI_API_KEY or another variable.',
      }
    : { what: 'providers', state: 'fine', detail };
}

function workers(settings: Settings): Check {
  const count = workerCount(settings);
  const cores = availableParallelism();
  const detail = `${count} on ${cores} ${cores === 1 ? 'core' : 'cores'}`;
  return count > cores
    ? { what: 'workers', state: 'note', detail, advice: 'More than there are cores: they only take turns.' }
    : { what: 'workers', state: 'fine', detail };
}

const roomy = 256 * 1024 * 1024;

function disk(path: string): Check {
  let place = path;
  while (!existsSync(place) && dirname(place) !== place) place = dirname(place);
  try {
    accessSync(place, constants.W_OK);
  } catch {
    return {
      what: 'data',
      state: 'wrong',
      detail: `${place} cannot be written`,
      advice: 'Make state.path writable for the user the gateway runs as.',
    };
  }
  const { bavail, bsize } = statfsSync(place);
  const free = bavail * bsize;
  const detail = `${path} (${Math.floor(free / 1024 / 1024)} MiB free)`;
  return free < roomy
    ? { what: 'data', state: 'wrong', detail, advice: 'Make room: a full disk refuses calls.' }
    : { what: 'data', state: 'fine', detail };
}

interface Health {
  readonly ready: boolean;
  readonly reasons: readonly string[];
  readonly workers: { readonly ready: number; readonly wanted: number };
}

type ProviderSettings = {
  readonly providers: readonly Pick<Settings['providers'][number], 'id' | 'format'>[];
  readonly providersOff: readonly string[];
};

interface Running {
  readonly checks: readonly Check[];
  /** Those of the gateway that answers. */
  readonly settings?: ProviderSettings;
}

/** The running gateway by its admin listener; where none answers, whether one could listen. */
async function gateway(settings: Settings): Promise<Running> {
  const client = adminClient(settings);
  try {
    const health = (await client.get('/admin/v1/health')) as Health | undefined;
    if (health === undefined) {
      const none: Check = { what: 'gateway', state: 'note', detail: `none answers at ${client.address}` };
      return { checks: [none, ...(await ports(settings))] };
    }
    const running = (await client.get('/admin/v1/config')) as ProviderSettings | undefined;
    return { checks: [healthCheck(health, client.address)], ...(running === undefined ? {} : { settings: running }) };
  } catch (error) {
    const advice = 'Look at admin.port and admin.keys, and at what else listens there.';
    return { checks: [{ what: 'gateway', state: 'wrong', detail: (error as Error).message, advice }] };
  }
}

function healthCheck({ ready: well, reasons, workers: { ready, wanted } }: Health, address: string): Check {
  if (!well) return { what: 'gateway', state: 'wrong', detail: reasons.join(', '), advice: 'Its log tells more.' };
  const detail = `ready at ${address}, ${ready} of ${wanted} ${wanted === 1 ? 'worker' : 'workers'}`;
  if (ready >= wanted) return { what: 'gateway', state: 'fine', detail };
  const advice = 'One is being replaced; where that lasts, its log tells why it ends.';
  return { what: 'gateway', state: 'note', detail, advice };
}

async function ports({ server, admin, metrics }: Settings): Promise<readonly Check[]> {
  const wanted = { server, metrics, ...(admin.keys.length > 0 ? { admin } : {}) };
  const checks: Check[] = [];
  for (const [section, { host, port }] of Object.entries(wanted)) {
    const code = await listening(host, port);
    if (code === undefined) continue;
    const detail =
      code === 'EADDRINUSE' ? `${host}:${port} is taken: another program listens there` : `${host}:${port}: ${code}`;
    checks.push({ what: `${section} port`, state: 'wrong', detail, advice: `Choose another with ${section}.port.` });
  }
  return checks.length > 0 ? checks : [{ what: 'ports', state: 'fine', detail: 'free' }];
}

/** Whether one may listen there, tried and given back at once: undefined, or the system's word for why not. */
function listening(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port }, () => server.close(() => resolve(undefined)));
  });
}

async function redis(settings: Settings): Promise<Check> {
  try {
    const ledger = await openLedger(settings, `doctor-${process.pid}`, openLog({ level: 'silent' }), { reader: true });
    await ledger.close();
    return { what: 'redis', state: 'fine', detail: 'answers, and runs our scripts' };
  } catch (error) {
    return {
      what: 'redis',
      state: 'wrong',
      detail: (error as Error).message,
      advice: 'Look at state.url and at the server.',
    };
  }
}
