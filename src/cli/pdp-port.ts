import { type LoadOptions, loadPdpConfig, problemText } from '../config.ts';
import { openPdp } from '../pdp.ts';
import { CannotRun } from '../surfaces/cli/command.ts';
import type { RunningDaemon } from '../surfaces/cli/ports.ts';
import { whileHeard } from './signals.ts';

/** Opens the daemon. Rejects with `CannotRun` when its configuration has problems. */
export async function servePdp(location: LoadOptions, version: string): Promise<RunningDaemon> {
  // It would end a process that does not listen to it yet. What changed meanwhile is seen when files are watched.
  return await whileHeard({ SIGHUP: () => {} }, () => served(location, version));
}

async function served(location: LoadOptions, version: string): Promise<RunningDaemon> {
  const load = () => loadPdpConfig(location);
  const loaded = await load();
  if (loaded.settings === undefined) throw new CannotRun(loaded.problems.map(problemText).join('\n'));
  const pdp = await openPdp({ loaded, load });
  return {
    version,
    addresses: pdp.addresses,
    policies: pdp.policies,
    program: pdp.program,
    log: (message) => pdp.log.info(message),
    close: () => pdp.close(),
  };
}
