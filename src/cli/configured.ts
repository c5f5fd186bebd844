import { type LoadOptions, loadConfig, printable, problemText, type Settings } from '../config.ts';
import { placeProblems } from '../gateway/policy-places.ts';
import { compile } from '../policy/index.ts';
import { CannotRun } from '../surfaces/cli/command.ts';
import { parseTexts, problemsOf } from '../surfaces/cli/policy-files.ts';
import type { FileProblem, LoadedSettings } from '../surfaces/cli/ports.ts';
import { moduleProblems } from './module-ports.ts';

/** The configuration, read and validated. Rejects with `CannotRun` and every problem where it has some. */
export async function settledConfig(location: LoadOptions): Promise<Settings> {
  const { settings, problems } = await loadConfig(location);
  if (settings === undefined) throw new CannotRun(problems.map(problemText).join('\n'));
  return settings;
}

/** The same with all its problems, those of its policies included. */
export async function checkedConfig(location: LoadOptions): Promise<LoadedSettings> {
  const { settings, problems } = await loadConfig(location);
  if (settings === undefined) return { problems, printable: {} };
  return { problems: await policyProblems(settings), printable: printable(settings) };
}

/** The enabled policies are part of the configuration: those that do not compile are problems of it. */
export async function policyProblems(settings: Settings): Promise<readonly FileProblem[]> {
  const { policyFiles, policies } = settings;
  const textsOf = (library: true | undefined) =>
    policyFiles.flatMap((one) => (one.library === library ? [{ file: one.path, path: one.path, text: one.text }] : []));
  const parsed = parseTexts(textsOf(undefined));
  if (parsed.problems.length > 0) return parsed.problems;
  try {
    const library = parseTexts(textsOf(true)).policies;
    const program = compile(parsed.policies, { default: policies.default, library });
    return [...placeProblems(settings, program), ...(await moduleProblems(program, settings.policyFiles))];
  } catch (error) {
    return problemsOf(error);
  }
}
