import { accessSync, constants, existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { type LoadOptions, loadConfig, problemText, type Settings } from '../config.ts';
import { openLedger } from '../gateway/open-stores.ts';
import { openLog } from '../observe/index.ts';
import type { Check, FileProblem } from '../surfaces/cli/ports.ts';
import { adminClient } from './admin-client.ts';

/** Looks at everything a gateway stands on. Changes nothing. */
export async function diagnose(
  location: LoadOptions,
  policyProblems: (settings: Settings) => readonly FileProblem[],
): Promise<readonly Check[]> {
  const checks: Check[] = [node()];
  const { settings, problems } = await loadConfig(location);
  if (settings === undefined) {
    const detail = problems.map(problemText).join('\n       ');
    return [...checks, { what: 'configuration', state: 'wrong', detail, advice: 'Mend the places named above.' }];
  }
  checks.push({ what: 'configuration', state: 'fine', detail: settings.file });
  checks.push(policies(settings, policyProblems(settings)), providers(settings), disk(settings.state.path));
  const running = await gateway(settings);
  checks.push(running);
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

function policies({ policyFiles }: Settings, problems: readonly FileProblem[]): Check {
  if (problems.length === 0)
    return { what: 'policies', state: 'fine', detail: `${policyFiles.length} files are in force` };
  const detail = problems.map(({ file, line, message }) => `${file}:${line ?? 1}: ${message}`).join('\n       ');
  return { what: 'policies', state: 'wrong', detail, advice: 'Mend them; `llm-policy validate` tells more.' };
}

function providers({ providers: on, providersOff }: Settings): Check {
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

async function gateway(settings: Settings): Promise<Check> {
  const client = adminClient(settings);
  try {
    const health = (await client.get('/admin/v1/health')) as { ready: boolean; reasons: readonly string[] } | undefined;
    if (health === undefined) return { what: 'gateway', state: 'note', detail: `none runs at ${client.address}` };
    return health.ready
      ? { what: 'gateway', state: 'fine', detail: `ready at ${client.address}` }
      : { what: 'gateway', state: 'wrong', detail: health.reasons.join(', '), advice: 'See its log.' };
  } catch (error) {
    return { what: 'gateway', state: 'wrong', detail: (error as Error).message };
  }
}

async function redis(settings: Settings): Promise<Check> {
  try {
    const ledger = await openLedger(settings, `doctor-${process.pid}`, openLog({ level: 'silent' }));
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
