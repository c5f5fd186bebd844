import { type Automaton, atbash_bit, compileRules, reversed_bit, spelling_bit } from './automaton.ts';
import { rules } from './rules/index.ts';
import { leads, terms } from './rules/terms.ts';
import { atbash, caesar } from './views/letters.ts';

/** Words that betray a cipher when they are met enciphered: common in attacks, long enough not to be met by chance. */
const telltale =
  'ignore previous instructions instruction prompt system reveal disregard forget rules guidelines restrictions pretend unfiltered developer answer response chatgpt character illegal password secret execute jailbreak override openai message without should always respond language never your with what this that from have will above repeat before print everything anything text free must each there their about would which these other than then them into only';

function ciphered(): (readonly [string, number])[] {
  const words: (readonly [string, number])[] = [];
  for (const word of telltale.split(' ')) {
    for (let shift = 1; shift < 26; shift++) words.push([caesar(word, shift), shift]);
    words.push([atbash(word), atbash_bit], [[...word].reverse().join(''), reversed_bit]);
  }
  for (const word of ['foxtrot', 'sierra', 'tango', 'juliet', 'juliett', 'echo', 'oscar', 'romeo', 'india', 'november'])
    words.push([word, spelling_bit]);
  return words;
}

let compiled: Automaton | undefined;

/** The rules of the rail, compiled once, when they are first needed: a program without the rail does not pay for them. */
export function automatonOfRules(): Automaton {
  compiled ??= compileRules(rules, terms, leads, ciphered());
  return compiled;
}

export { rules };
