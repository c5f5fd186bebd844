import type { Passage } from '../../exchange/index.ts';

/** How ready the rail is to speak; `smuggling` looks for hidden characters alone. */
export type InjectionProfile = 'strict' | 'balanced' | 'quiet' | 'smuggling';

/**
 * Lowest score that is reported, by profile. Measured with `bench/injection.mjs` and `bench/injection-train.mjs` on public
 * sets (2026-11-21), whose misses were looked at when the rules were written: at `balanced` at least 99 % of each benign set is not flagged (role prompts 99.4, security questions
 * 100, instructions 100, code 99.9) and 96 % of jailbreaks in the wild are; of texts the model was not trained on, 79 % of
 * other jailbreaks from the wild and 70 % where no text of that origin was seen, with at most 2.4 % of role prompts of an
 * origin never seen. At `strict` at least 97 % of the same benign sets are not flagged. `quiet` asks for two independent
 * signs or one that leaves no doubt.
 */
export const injectionThresholds = { strict: 0.35, balanced: 0.5, quiet: 0.85 } as const;

/**
 * Which profile a passage is judged by. The operator's system prompt gives orders by right and is searched for hidden
 * characters only; what a tool brought in has no right to give orders; the model's own words are quoted attacks more
 * often than attacks.
 */
export function profileOf(passage: Pick<Passage, 'role' | 'channel'>): InjectionProfile {
  if (passage.channel === 'tool_definition' || passage.channel === 'other') return 'balanced';
  switch (passage.role) {
    case 'system':
      return 'smuggling';
    case 'tool':
      return 'strict';
    case 'assistant':
      return 'quiet';
    case 'user':
    case 'unknown':
      return 'balanced';
  }
}
