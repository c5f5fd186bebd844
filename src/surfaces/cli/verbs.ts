import { nearest } from '../../policy/index.ts';
import { UsageError } from './command.ts';

/** A command's second word is missing, or none of those it knows: which there are, or which was probably meant. */
export function noSuchVerb(command: string, verb: string | undefined, verbs: readonly string[]): UsageError {
  const meant = nearest(verb ?? '', verbs);
  if (verb !== undefined && meant !== undefined) {
    return new UsageError(`there is no '${command} ${verb}'; did you mean '${command} ${meant}'?`);
  }
  const names = verbs.map((name) => `'${command} ${name}'`);
  const say = `say ${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
  return new UsageError(verb === undefined ? say : `there is no '${command} ${verb}'; ${say}`);
}
