#!/usr/bin/env node
import './gateway/ticks.ts';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { portsOf } from './cli/ports.ts';
import { audit } from './surfaces/cli/audit.ts';
import { bench } from './surfaces/cli/bench.ts';
import { budgets } from './surfaces/cli/budgets.ts';
import type { Command } from './surfaces/cli/command.ts';
import { config } from './surfaces/cli/config.ts';
import { doctor } from './surfaces/cli/doctor.ts';
import { evalExpression } from './surfaces/cli/eval.ts';
import { evaluate } from './surfaces/cli/evaluate.ts';
import { explain } from './surfaces/cli/explain.ts';
import { fmt } from './surfaces/cli/fmt.ts';
import { keys } from './surfaces/cli/keys.ts';
import { lint } from './surfaces/cli/lint.ts';
import { outputTo } from './surfaces/cli/output.ts';
import { pdp } from './surfaces/cli/pdp.ts';
import { runCommandLine } from './surfaces/cli/run.ts';
import { serve } from './surfaces/cli/serve.ts';
import { simulate } from './surfaces/cli/simulate.ts';
import { test } from './surfaces/cli/test.ts';
import { unbuilt } from './surfaces/cli/unbuilt.ts';
import { validate } from './surfaces/cli/validate.ts';

/** What is in the box, in the order `--help` lists it. */
const commands: readonly Command[] = [
  serve,
  pdp,
  evaluate,
  explain,
  evalExpression,
  validate,
  test,
  fmt,
  lint,
  simulate,
  bench,
  unbuilt('bundle', 'Build, sign, verify and inspect bundles'),
  unbuilt('policies', 'Manage the policies of a registry'),
  keys,
  budgets,
  audit,
  config,
  doctor,
];

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  return manifest.version;
}

// A reader that has seen enough (`| head`) is no reason to fail.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await runCommandLine(process.argv.slice(2), commands, version(), {
  env: process.env,
  cwd: process.cwd(),
  out: outputTo(process.stdout, process.stderr),
  input: () => text(process.stdin),
  lines: () => createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY }),
  ports: portsOf(process.cwd(), process.env, version()),
});
