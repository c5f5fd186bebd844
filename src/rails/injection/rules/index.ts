import type { Rule } from '../rule.ts';
import { channelRules } from './channels.ts';
import { instructionRules } from './instructions.ts';
import { languageRules } from './languages.ts';
import { personaRules } from './persona.ts';

/** Every rule of the rail. */
export const rules: readonly Rule[] = [...instructionRules, ...personaRules, ...channelRules, ...languageRules];
