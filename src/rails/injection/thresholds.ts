import type { Passage } from '../../exchange/index.ts';

/** How ready the rail is to speak; `smuggling` looks for hidden characters alone. */
export type InjectionProfile = 'strict' | 'balanced' | 'quiet' | 'smuggling';

/** Lowest score that is reported, by profile. */
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
