import type { Lines } from '../lines.ts';
import type { Answer } from './answers.ts';
import type { Plan } from './plan.ts';

/** As `lua/turn.ts` has them, with any number where the place of a plan belongs. */
export type Operation = readonly (string | number)[];

/** An operation, and who is told what became of it: answers in the order they were given, before anyone goes on. */
export interface Asked {
  /** Changes nothing, and needs no epoch. */
  readonly reading: boolean;
  readonly plan: Plan | undefined;
  /** Writes the operation as JSON; `place` is that of its plan, where it has one. */
  write(text: Lines, place: number | undefined): void;
  told(answer: Answer): void;
  failed(error: unknown): void;
}

/** `Asked.write` of any operation. */
export function writeJson(text: Lines, operation: Operation, place: number | undefined): void {
  text.text(JSON.stringify(place === undefined ? operation : operation.with(2, place)));
}

/** An operation for who awaits its answer; `heard` is told it before anyone goes on. */
export function awaited(
  operation: Operation,
  plan: Plan | undefined,
  resolve: (answer: Answer) => void,
  reject: (error: unknown) => void,
  heard?: (answer: Answer) => void,
): Asked {
  const told = (answer: Answer): void => {
    heard?.(answer);
    resolve(answer);
  };
  const write = (text: Lines, place: number | undefined): void => writeJson(text, operation, place);
  return { reading: false, plan, write, told, failed: reject };
}
