import { Unable } from '../unable.ts';
import type { LoopMacro } from './ast.ts';
import type { Input } from './environment.ts';
import { type Frame, mismatchOf, type Run, tooManySteps, truth } from './run.ts';
import { CelMap, type Dialect, entriesOf, failed, isMap, keysOf, wholeIn } from './values.ts';

export interface Loop {
  readonly macro: LoopMacro;
  readonly range: Run;
  /** The slots of its variables: the second is -1 where there is one. */
  readonly slots: readonly [number, number];
  readonly filter: Run | undefined;
  readonly body: Run;
  /** Steps of one round. */
  readonly steps: number;
}

/** What a macro makes of the rounds: `done` ends it early. */
interface Outcome {
  round(key: unknown, value: unknown): { readonly done: unknown } | undefined;
  end(): unknown;
}

/** A macro as a function. Every round costs steps, and when there are none left the outcome is an error. */
export function loopOf(loop: Loop, dialect: Dialect): Run {
  const { range, slots, filter, steps } = loop;
  const [first, second] = slots;
  const mismatch = mismatchOf(dialect);
  return (input, frame) => {
    const over = range(input, frame);
    if (over === undefined || over instanceof Unable) return over;
    const list = Array.isArray(over);
    if (!list && !isMap(over)) return mismatch;
    const pairs = second < 0 || list ? undefined : entriesOf(over);
    const keys: readonly unknown[] = list ? over : (pairs ?? keysOf(over));
    const outcome = outcomeOf(loop, input, frame, dialect);
    for (let i = 0; i < keys.length; i++) {
      frame.left -= steps;
      if (frame.left < 0) return tooManySteps;
      const [key, value] =
        pairs === undefined
          ? [list ? wholeIn(dialect, i) : keys[i], keys[i]]
          : (pairs[i] as readonly [unknown, unknown]);
      if (second < 0) frame.slots[first] = value;
      else {
        frame.slots[first] = key;
        frame.slots[second] = value;
      }
      if (filter !== undefined) {
        const wanted = truth(filter(input, frame), dialect);
        if (wanted instanceof Unable) return wanted;
        if (!wanted) continue;
      }
      const found = outcome.round(key, value);
      if (found !== undefined) return found.done;
    }
    return outcome.end();
  };
}

function outcomeOf({ macro, body, slots }: Loop, input: Input, frame: Frame, dialect: Dialect): Outcome {
  const asked = () => truth(body(input, frame), dialect);
  switch (macro) {
    case 'all':
      return quantifier(asked, false);
    case 'exists':
      return quantifier(asked, true);
    case 'exists_one': {
      let count = 0;
      return {
        round: () => {
          const one = asked();
          if (one instanceof Unable) return { done: one };
          if (one) count++;
          return undefined;
        },
        end: () => count === 1,
      };
    }
    case 'filter': {
      const kept: unknown[] = [];
      return {
        round: () => {
          const element = frame.slots[slots[0]];
          const one = asked();
          if (one instanceof Unable) return { done: one };
          if (one) kept.push(element);
          return undefined;
        },
        end: () => kept,
      };
    }
    case 'map': {
      const made: unknown[] = [];
      return {
        round: () => {
          const one = body(input, frame);
          if (one instanceof Unable) return { done: one };
          if (one !== undefined) made.push(one);
          return undefined;
        },
        end: () => made,
      };
    }
    case 'transformMap':
    case 'transformMapEntry':
      return mapOutcome(macro, () => body(input, frame));
  }
}

function quantifier(asked: () => boolean | Unable, decisive: boolean): Outcome {
  let outcome: boolean | Unable = !decisive;
  return {
    round: () => {
      const one = asked();
      if (one === decisive) return { done: decisive };
      if (typeof outcome === 'boolean') outcome = one;
      return undefined;
    },
    end: () => outcome,
  };
}

function mapOutcome(macro: 'transformMap' | 'transformMapEntry', body: () => unknown): Outcome {
  const made = new CelMap();
  return {
    round: (key) => {
      const one = body();
      if (one instanceof Unable) return { done: one };
      if (one === undefined) return undefined;
      if (macro === 'transformMap') {
        const fault = made.add(key, one);
        return fault === undefined ? undefined : { done: fault };
      }
      if (!isMap(one)) return { done: failed('no such overload') };
      for (const [entryKey, value] of entriesOf(one)) {
        const fault = made.add(entryKey, value);
        if (fault !== undefined) return { done: fault };
      }
      return undefined;
    },
    end: () => made,
  };
}
