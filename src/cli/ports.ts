import { loadConfig, printable, problemText, publishedSchemaText, type Settings } from '../config.ts';
import { placeProblems } from '../gateway/policy-places.ts';
import { moduleProblems, openRuleModules } from '../gateway/rule-modules.ts';
import { compile } from '../policy/index.ts';
import { CannotRun } from '../surfaces/cli/command.ts';
import { parseTexts, problemsOf } from '../surfaces/cli/policy-files.ts';
import type { FileProblem, Ports } from '../surfaces/cli/ports.ts';
import { adminClient } from './admin-client.ts';
import { budgetPort } from './budget-port.ts';
import { configLocation } from './config-file.ts';
import { diagnose } from './diagnose.ts';
import { inForce } from './in-force.ts';
import { keyPort } from './key-port.ts';

/** What the command line is handed: the configuration of this machine, and what it leads to. */
export function portsOf(cwd: string, env: Readonly<Record<string, string | undefined>>, version: string): Ports {
  const load = (file: string | undefined) => loadConfig(configLocation(file, cwd, env));
  const settled = async (file: string | undefined): Promise<Settings> => {
    const { settings, problems } = await load(file);
    if (settings === undefined) throw new CannotRun(problems.map(problemText).join('\n'));
    return settings;
  };
  return {
    configSchemaText: publishedSchemaText,
    openModules: (program, files) => openRuleModules(program, files),
    moduleProblems,
    // What serves is loaded by who serves: it is most of the program.
    async serve(file) {
      const { serveGateway } = await import('./serve-port.ts');
      return await serveGateway(configLocation(file, cwd, env), version);
    },
    async pdp(file) {
      const { servePdp } = await import('./pdp-port.ts');
      return await servePdp(configLocation(file, cwd, env, 'config/pdp.yaml'), version);
    },
    async loadSettings(file) {
      const { settings, problems } = await load(file);
      if (settings === undefined) return { problems, printable: {} };
      return { problems: policyProblems(settings), printable: printable(settings) };
    },
    budgets: async (file) => budgetPort(await settled(file)),
    async retryAside(file) {
      const client = adminClient(await settled(file));
      const answer = (await client.post('/admin/v1/records/aside/retry')) as { taken: number } | undefined;
      if (answer !== undefined) return answer.taken;
      throw new CannotRun(`no gateway answers at ${client.address}: only one that runs can try them again`);
    },
    inForce: async (file) => inForce(await settled(file)),
    diagnose: (file) => diagnose(configLocation(file, cwd, env), policyProblems),
    keys: async (file) => keyPort(await settled(file)),
  };
}

/** The enabled policies are part of the configuration: those that do not compile are problems of it. */
function policyProblems(settings: Settings): readonly FileProblem[] {
  const { policyFiles, policies } = settings;
  const textsOf = (library: true | undefined) =>
    policyFiles.flatMap((one) => (one.library === library ? [{ file: one.path, path: one.path, text: one.text }] : []));
  const parsed = parseTexts(textsOf(undefined));
  if (parsed.problems.length > 0) return parsed.problems;
  try {
    const library = parseTexts(textsOf(true)).policies;
    const program = compile(parsed.policies, { default: policies.default, library });
    return [...placeProblems(settings, program), ...moduleProblems(program, settings.policyFiles)];
  } catch (error) {
    return problemsOf(error);
  }
}
