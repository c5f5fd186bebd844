import type { Output } from './output.ts';
import type { Ports } from './ports.ts';

/** One word of the command line: `llm-policy <name> ...`. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What `--help` prints: the forms of the call, then its options. */
  readonly usage: string;
  /**
   * Resolves to the exit code. Throws `UsageError` when used wrongly and `CannotRun` when it cannot be done; anything
   * else that is thrown is told as the latter.
   */
  run(context: CommandContext): Promise<number>;
}

export interface CommandContext {
  /** What follows the command's name, global options taken out. */
  readonly args: readonly string[];
  /** For programs: one JSON value on the output and nothing else. */
  readonly json: boolean;
  /** The configuration file that was asked for; undefined for the default. */
  readonly config: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly out: Output;
  /** All of standard input, as text. */
  input(): Promise<string>;
  /** Standard input line by line, each as it comes. */
  lines(): AsyncIterable<string>;
  readonly ports: Ports;
}

/** Exit codes: fine, found something, used wrongly, could not run. */
export const exit = { fine: 0, found: 1, usage: 2, failed: 3 } as const;

/** The command was used wrongly: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The command could not be carried out: exit code 3. */
export class CannotRun extends Error {
  override readonly name = 'CannotRun';
}
