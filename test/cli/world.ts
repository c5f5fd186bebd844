import { portsOf } from '../../src/cli/ports.ts';
import { audit } from '../../src/surfaces/cli/audit.ts';
import { bench } from '../../src/surfaces/cli/bench.ts';
import { budgets } from '../../src/surfaces/cli/budgets.ts';
import type { Command } from '../../src/surfaces/cli/command.ts';
import { config } from '../../src/surfaces/cli/config.ts';
import { doctor } from '../../src/surfaces/cli/doctor.ts';
import { evalExpression } from '../../src/surfaces/cli/eval.ts';
import { evaluate } from '../../src/surfaces/cli/evaluate.ts';
import { explain } from '../../src/surfaces/cli/explain.ts';
import { fmt } from '../../src/surfaces/cli/fmt.ts';
import { keys } from '../../src/surfaces/cli/keys.ts';
import { lint } from '../../src/surfaces/cli/lint.ts';
import { outputTo } from '../../src/surfaces/cli/output.ts';
import { runCommandLine } from '../../src/surfaces/cli/run.ts';
import { serve } from '../../src/surfaces/cli/serve.ts';
import { simulate } from '../../src/surfaces/cli/simulate.ts';
import { test } from '../../src/surfaces/cli/test.ts';
import { unbuilt } from '../../src/surfaces/cli/unbuilt.ts';
import { validate } from '../../src/surfaces/cli/validate.ts';

const commands: readonly Command[] = [
  serve,
  config,
  keys,
  budgets,
  audit,
  doctor,
  validate,
  evaluate,
  explain,
  evalExpression,
  test,
  fmt,
  lint,
  simulate,
  bench,
  unbuilt('bundle', 'Bundle'),
];

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line in a directory, as the program would. */
export async function run(
  cwd: string,
  args: readonly string[],
  { env = {}, input = '' }: { env?: Record<string, string>; input?: string } = {},
): Promise<Ran> {
  let out = '';
  let err = '';
  const code = await runCommandLine(args, commands, '1.2.3', {
    env,
    cwd,
    out: outputTo({ write: (text) => (out += text) }, { write: (text) => (err += text) }),
    input: async () => input,
    lines: async function* () {
      yield* input.split('\n');
    },
    ports: portsOf(cwd, env, '1.2.3'),
  });
  return { code, out, err };
}
