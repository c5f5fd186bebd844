// What training needs of the rail's inside.
import { inspect } from '../src/rails/injection/inspect.ts';
import { normalise } from '../src/rails/injection/normalise.ts';
import { automatonOfRules, rules } from '../src/rails/injection/ruleset.ts';
import { prior } from '../src/rails/injection/score.ts';
import { emptyTokens, type Tokens, tokenise } from '../src/rails/injection/tokens.ts';

const automaton = automatonOfRules();

export { cells, featuresOf, segment_words, words_min } from '../src/rails/injection/model.ts';
export { modelWeight } from '../src/rails/injection/score.ts';

/** The words of a text, in memory of their own. */
export function tokensOf(text: string): Tokens {
  const tokens = emptyTokens();
  tokenise(normalise(text), automaton.vocabulary, tokens);
  return tokens;
}

/** Log-odds the rules alone give a user's text. */
export function ruleLogOdds(text: string): number {
  const active = Uint8Array.from(rules, (rule) => (rule.outsideOnly === true ? 0 : 1));
  const slices = inspect(text.slice(0, 16_000), { active, model: 'none' });
  let step = slices.next();
  while (step.done !== true) step = slices.next();
  const best = Math.max(0, ...step.value.readings.map((reading) => reading.score));
  return best === 0 ? prior : Math.log(best / (1 - best));
}
