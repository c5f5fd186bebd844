import { budgetOfKey } from '../window-key.ts';
import { resetsOf } from './answers.ts';
import { type Line, NoAnswer } from './line.ts';
import type { Memory } from './memory.ts';
import { baseOf, shapeOf } from './plan.ts';
import type { Turns } from './turns.ts';
import { upkeep_ms } from './upkeep.ts';

export interface ResetsParts {
  readonly line: Line;
  readonly turns: Turns;
  readonly memory: Memory;
  /** `llm:`, or nothing. */
  readonly prefix: string;
}

/** One whose answer never came: how often that counter had been set to zero before, and when it was asked on the server's clock. */
interface Unheard {
  readonly organization: string;
  readonly key: string;
  readonly before: number;
  readonly at_ms: number;
}

const unheard_max = 1_000;

/** Sets counters to zero, and remembers which were: a Redis that loses its data is told them again. */
export class Resets {
  readonly #parts: ResetsParts;
  #unheard: readonly Unheard[] = [];

  constructor(parts: ResetsParts) {
    this.#parts = parts;
  }

  /** False where there is no such counter. */
  async reset(organization: string, key: string): Promise<boolean> {
    const { turns, memory } = this.#parts;
    const told = budgetOfKey(key);
    if (told === undefined) return false;
    const operation = [7, key, ...shapeOf(told.budget)];
    turns.hurry(organization);
    const before = await this.#times(organization, key);
    const at_ms = turns.now();
    try {
      const answer = await turns.alone(organization, operation, { deadline_ms: upkeep_ms });
      if (answer.code !== 1) return false;
      memory.reset(organization, { key, resets: resetsOf(answer), at_ms: answer.now_ms });
      return true;
    } catch (error) {
      if (error instanceof NoAnswer) {
        this.#unheard = [...this.#unheard, { organization, key, before, at_ms }].slice(-unheard_max);
      }
      throw error;
    }
  }

  /** Finds out what became of those whose answers never came. */
  async look(): Promise<void> {
    for (const one of this.#unheard) {
      const { organization, key, before, at_ms } = one;
      const resets = await this.#times(organization, key);
      if (resets > before) this.#parts.memory.reset(organization, { key, resets, at_ms });
      this.#unheard = this.#unheard.filter((other) => other !== one);
    }
  }

  async #times(organization: string, key: string): Promise<number> {
    const { line, prefix } = this.#parts;
    return Number(await line.call('hget', [baseOf(prefix, organization) + key, 'resets'], upkeep_ms));
  }
}
