import { CannotRun, type Command } from './command.ts';

/** A command the contract names and this build does not have yet. It says so: exit code 3. */
export function unbuilt(name: string, summary: string): Command {
  return {
    name,
    summary: `${summary} (not supported yet)`,
    usage: `  llm-policy ${name} is not supported yet`,
    run: () => Promise.reject(new CannotRun(`'${name}' is not supported yet`)),
  };
}
