import { CannotRun } from '../surfaces/cli/command.ts';
import type { Ports } from '../surfaces/cli/ports.ts';
import { configLocation } from './config-file.ts';
import { moduleProblems, openModules } from './module-ports.ts';

/**
 * What the command line is handed: the configuration of this machine, and what it leads to. Each part of the program is
 * loaded by the command that needs it: most of them need little, and loading all of it takes longer than they do.
 */
export function portsOf(cwd: string, env: Readonly<Record<string, string | undefined>>, version: string): Ports {
  const location = (file: string | undefined) => configLocation(file, cwd, env);
  const settled = async (file: string | undefined) => {
    const { settledConfig } = await import('./configured.ts');
    return await settledConfig(location(file));
  };
  return {
    async configSchemaText(name) {
      const { publishedSchemaText } = await import('../config.ts');
      return publishedSchemaText(name);
    },
    openModules,
    moduleProblems,
    async serve(file) {
      const { serveGateway } = await import('./serve-port.ts');
      return await serveGateway(location(file), version);
    },
    async pdp(file) {
      const { servePdp } = await import('./pdp-port.ts');
      return await servePdp(configLocation(file, cwd, env, 'config/pdp.yaml'), version);
    },
    async loadSettings(file) {
      const { checkedConfig } = await import('./configured.ts');
      return await checkedConfig(location(file));
    },
    async budgets(file) {
      const { budgetPort } = await import('./budget-port.ts');
      return budgetPort(await settled(file));
    },
    async retryAside(file) {
      const { adminClient } = await import('./admin-client.ts');
      const client = adminClient(await settled(file));
      const answer = (await client.post('/admin/v1/records/aside/retry')) as { taken: number } | undefined;
      if (answer !== undefined) return answer.taken;
      throw new CannotRun(`no gateway answers at ${client.address}: only one that runs can try them again`);
    },
    async inForce(file) {
      const { inForce } = await import('./in-force.ts');
      return inForce(await settled(file));
    },
    async diagnose(file) {
      const { diagnose } = await import('./diagnose.ts');
      return await diagnose(location(file));
    },
    async keys(file) {
      const { keyPort } = await import('./key-port.ts');
      return keyPort(await settled(file));
    },
  };
}
