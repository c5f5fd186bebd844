#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { configLocation } from './cli/config-file.ts';
import { keyPort } from './cli/key-port.ts';
import { loadConfig, printable, problemText, publishedSchemaText } from './config.ts';
import { CannotRun, type Command } from './surfaces/cli/command.ts';
import { config } from './surfaces/cli/config.ts';
import { evaluate, explain } from './surfaces/cli/evaluate.ts';
import { fmt } from './surfaces/cli/fmt.ts';
import { keys } from './surfaces/cli/keys.ts';
import { outputTo } from './surfaces/cli/output.ts';
import type { Ports } from './surfaces/cli/ports.ts';
import { runCommandLine } from './surfaces/cli/run.ts';
import { test } from './surfaces/cli/test.ts';
import { unbuilt } from './surfaces/cli/unbuilt.ts';
import { validate } from './surfaces/cli/validate.ts';

/** What is in the box, in the order `--help` lists it. */
const commands: readonly Command[] = [
  unbuilt('serve', 'Run the gateway'),
  evaluate,
  explain,
  unbuilt('eval', 'Compute an expression'),
  validate,
  test,
  fmt,
  unbuilt('lint', 'Find what is doubtful in policies'),
  unbuilt('simulate', 'Replay records through other policies'),
  unbuilt('bench', 'Measure policies'),
  unbuilt('bundle', 'Build, sign, verify and inspect bundles'),
  unbuilt('policies', 'Manage the policies of a registry'),
  keys,
  unbuilt('budgets', 'List, set, reset and reconcile budgets'),
  unbuilt('audit', 'Verify, query, export and erase audit records'),
  config,
  unbuilt('doctor', 'Find out what is wrong with an installation'),
];

const cwd = process.cwd();
const { env } = process;
const load = (file: string | undefined) => loadConfig(configLocation(file, cwd, env));

const ports: Ports = {
  configSchemaText: publishedSchemaText,
  async loadSettings(file) {
    const { settings, problems } = await load(file);
    return { problems, printable: settings === undefined ? {} : printable(settings) };
  },
  async keys(file) {
    const { settings, problems } = await load(file);
    if (settings === undefined) throw new CannotRun(problems.map(problemText).join('\n'));
    return keyPort(settings);
  },
};

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
  env,
  cwd,
  out: outputTo(process.stdout, process.stderr),
  input: () => text(process.stdin),
  ports,
});
