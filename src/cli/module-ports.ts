import { type Program, wasmCalls } from '../policy/index.ts';
import type { Ports } from '../surfaces/cli/ports.ts';

/** Opens the modules of a program; what runs them is loaded where there are any. */
export const openModules: Ports['openModules'] = async (program, files) => {
  if (!hasModules(program)) return undefined;
  const { openRuleModules } = await import('../gateway/rule-modules.ts');
  return openRuleModules(program, files);
};

/** What is wrong with them. */
export const moduleProblems: Ports['moduleProblems'] = async (program, files) => {
  if (!hasModules(program)) return [];
  const rules = await import('../gateway/rule-modules.ts');
  return rules.moduleProblems(program, files);
};

function hasModules(program: Program): boolean {
  return wasmCalls(program, 'request').length > 0;
}
