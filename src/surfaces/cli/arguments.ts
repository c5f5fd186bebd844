import { type ParseArgsConfig, parseArgs } from 'node:util';
import { nearest } from '../../policy/index.ts';
import { UsageError } from './command.ts';

type Options = NonNullable<ParseArgsConfig['options']>;

/** Options by name, and what stands between them. */
export interface Arguments<T extends Options> {
  readonly values: ReturnType<typeof parseArgs<{ options: T; allowPositionals: true; args: string[] }>>['values'];
  readonly positionals: readonly string[];
}

/** Reads a command's arguments. Throws `UsageError` for an unknown option, with the one that was probably meant. */
export function readArguments<T extends Options>(args: readonly string[], options: T): Arguments<T> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(optionMessage(error as NodeJS.ErrnoException, args, Object.keys(options)));
  }
}

function optionMessage(error: NodeJS.ErrnoException, args: readonly string[], known: readonly string[]): string {
  if (error.code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION') return error.message.split('. ')[0] ?? error.message;
  const unknown = args
    .filter((arg) => arg.startsWith('-'))
    .map((arg) => arg.replace(/^-+/, '').replace(/=.*$/, ''))
    .find((name) => !known.includes(name));
  const meant = nearest(unknown ?? '', known);
  return `unknown option '--${unknown}'${meant === undefined ? '' : `; did you mean '--${meant}'?`}`;
}

/** A list given with commas. */
export function list(text: string | undefined): readonly string[] | undefined {
  return text
    ?.split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
