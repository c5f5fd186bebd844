import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CannotRun, type CommandContext } from './command.ts';
import { fileProblemText } from './config.ts';

/** Where a trail lies, and the keys to what is sealed in it. */
export interface Places {
  readonly path: string;
  readonly data: string;
}

interface PrintedSettings {
  readonly state?: { readonly path?: string };
  readonly audit?: { readonly sinks?: readonly { readonly type?: string; readonly path?: string }[] };
}

/** Where the trail and its data lie: as told, or as the configuration says. */
export async function placesOf(
  context: CommandContext,
  path: string | undefined,
  data: string | undefined,
): Promise<Places> {
  const from = (place: string): string => resolve(context.cwd, place);
  if (path !== undefined && data !== undefined) return { path: from(path), data: from(data) };
  const { problems, printable } = await context.ports.loadSettings(context.config);
  if (problems.length > 0) throw new CannotRun(problems.map(fileProblemText).join('\n'));
  const { state, audit: settings } = printable as PrintedSettings;
  const state_path = state?.path ?? './data';
  const sink = settings?.sinks?.find((one) => one.type === 'file');
  return {
    path: from(path ?? sink?.path ?? join(state_path, 'audit')),
    data: from(data ?? join(state_path, 'spool')),
  };
}

/** Rejects with `CannotRun` where nothing lies there. */
export function mustExist(path: string, what: string): void {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) throw new CannotRun(`there is no ${what} at ${path}`);
}
