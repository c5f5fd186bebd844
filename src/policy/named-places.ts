import type { CompiledRule } from './compiled-rule.ts';
import { factPath } from './facts.ts';
import { Places } from './lint/places.ts';
import { factsRead } from './node.ts';
import { phases } from './policy.ts';
import { nearest, type PolicyProblem } from './problem.ts';
import { inside, type Program } from './program.ts';

/** What a configuration knows of providers and models, those that are off among them. */
export interface KnownPlaces {
  readonly providers: readonly string[];
  /** Names that a client may ask for. */
  readonly models: readonly string[];
  /** Whether a client may ask for a model of this name. */
  offers(model: string): boolean;
  /** Whether a provider, one of `providers`, has a model of this name. */
  has(provider: string, model: string): boolean;
}

/**
 * Providers and models that rules name and nobody knows: where `route_to` and `substitute_model` lead, and whose price is
 * asked for. `texts` are the policies' files, as far as they are at hand, so that the line can be told.
 */
export function unknownPlaces(
  program: Program,
  known: KnownPlaces,
  texts: readonly { readonly file: string; readonly text: string }[] = [],
): readonly PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  for (const phase of phases) {
    const { rules, needs } = inside(program).tables[phase];
    const priced = [...needs.facts].some((name) => name.startsWith('price.'));
    for (const rule of rules) {
      // Most rules name nothing: ten thousand of them are looked through when one changes.
      if (rule.obligations.length === 0 && !priced) continue;
      for (const one of unknownIn(rule, known)) problems.push(problemOf(rule, one, texts));
    }
  }
  return problems;
}

interface Unknown {
  readonly key: 'action' | 'when' | 'condition';
  readonly message: string;
  readonly suggestion: string | undefined;
}

function unknownIn(rule: CompiledRule, known: KnownPlaces): readonly Unknown[] {
  const found: Unknown[] = [];
  for (const obligation of rule.obligations) {
    if (obligation.type === 'substitute_model' && !known.offers(obligation.model))
      found.push(unknownModel('action', 'substitute_model', obligation.model, known));
    if (obligation.type !== 'route_to') continue;
    for (const candidate of obligation.candidates) found.push(...unknownRoute(candidate, known));
  }
  const priced = rule.leaves.flatMap(factsRead).filter(({ name }) => name.startsWith('price.'));
  for (const model of new Set(priced.map(({ name }) => factPath(name)[1] ?? ''))) {
    if (!known.offers(model) && !isRoute(model, known))
      found.push(unknownModel(rule.rule.when === undefined ? 'condition' : 'when', 'price', model, known));
  }
  return found;
}

function unknownRoute(candidate: string, known: KnownPlaces): readonly Unknown[] {
  const slash = candidate.indexOf('/');
  const provider = slash < 0 ? candidate : candidate.slice(0, slash);
  if (!known.providers.includes(provider)) {
    const message = `route_to: there is no provider '${provider}'`;
    return [{ key: 'action', message, suggestion: nearest(provider, known.providers) }];
  }
  const model = candidate.slice(slash + 1);
  if (slash < 0 || known.has(provider, model)) return [];
  return [
    { key: 'action', message: `route_to: the provider '${provider}' has no model '${model}'`, suggestion: undefined },
  ];
}

function unknownModel(key: Unknown['key'], what: string, model: string, { models }: KnownPlaces): Unknown {
  const message = `${what}: no provider and no entry of models has a model '${model}'`;
  return { key, message, suggestion: nearest(model, models) };
}

function problemOf(
  { policy, rule }: CompiledRule,
  { key, message, suggestion }: Unknown,
  texts: readonly { readonly file: string; readonly text: string }[],
): PolicyProblem {
  const own = texts.filter(({ file }) => file === policy.source?.file);
  const place = new Places(own).ofRule(policy, rule.id, key);
  return { ...place, message: `the rule ${rule.id}: ${message}`, ...(suggestion === undefined ? {} : { suggestion }) };
}

function isRoute(model: string, known: KnownPlaces): boolean {
  return model.includes('/') && unknownRoute(model, known).length === 0;
}
