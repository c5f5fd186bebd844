import type { CompiledRule } from './compiled-rule.ts';
import { decide } from './decide.ts';
import type { Decision, Obligation } from './decision.ts';
import { FALSE, type Outcome, reader, TRUE, UNABLE } from './leaf.ts';
import { type EndNode, factsRead, isBranch, isExpression, type Node } from './node.ts';
import type { Effect, Phase } from './policy.ts';
import { inside, type Program } from './program.ts';
import { printed } from './template.ts';
import { type FactTree, Unable } from './unable.ts';
import { leafWords, listWords, valueWords } from './words.ts';

const verbs: Readonly<Record<Effect, string>> = {
  allow: 'Allowed',
  deny: 'Denied',
  warn: 'Let through with a warning',
  audit: 'Let through and recorded',
  modify: 'Changed and let through',
  throttle: 'Let through as far as its limits go',
  approve: 'Held back until somebody approves',
};

export interface ToldRule {
  /** `policy/rule`. */
  readonly rule: string;
  readonly outcome: 'matched' | 'did not match' | 'undecided';
  /** What made it so, in words with values. */
  readonly because: string;
}

export interface DecisionInWords {
  readonly decision: Decision;
  /** The whole of it in a few sentences. */
  readonly sentences: readonly string[];
  /** Every rule of the phase, in order of precedence. */
  readonly rules: readonly ToldRule[];
}

/** Decides, and tells it as one would tell a colleague: which rule, which comparison, which value. */
export function inWords(program: Program, phase: Phase, facts: FactTree): DecisionInWords {
  const decision = decide(program, phase, facts);
  const compiled = inside(program).tables[phase].rules;
  const rules = compiled.map((rule) => toldRule(rule, facts));
  const because = (ref: string) => rules.find(({ rule }) => rule === ref)?.because ?? '';
  const sentences: string[] = [];
  const verb = verbs[decision.decision] ?? decision.decision;
  if (decision.determining.length === 0) {
    const undecided = decision.unable.length + decision.errors.length > 0;
    sentences.push(`${verb} by the default: ${undecided ? 'no other rule counted' : 'no rule matched'}.`);
  }
  for (const ref of decision.determining) {
    const rule = compiled.find((one) => one.ref === ref);
    const version = rule === undefined ? '' : ` (version ${rule.policy.metadata.version})`;
    const doubted = rules.find((one) => one.rule === ref)?.outcome === 'undecided';
    const why = doubted ? `it could not be decided, and its policy then says so: ${because(ref)}` : because(ref);
    sentences.push(`${verb} by ${ref}${version}, because ${why}.`);
  }
  if (!decision.allowed) sentences.push(`The caller is told: ${printed(decision.reason)}`);
  for (const warning of decision.warnings) sentences.push(`The caller is warned: ${printed(warning)}`);
  for (const obligation of decision.obligations) {
    const lost = decision.overridden.includes(obligation.rule)
      ? ' (another rule of more weight may stand above it)'
      : '';
    sentences.push(`${obligation.rule} has ${obligationWords(obligation)}${lost}.`);
  }
  for (const { rule, decision: would, unable } of decision.shadowed)
    sentences.push(
      `${rule}, which only watches, would ${unable ? 'not have been decided' : `say ${would}`}: ${because(rule)}.`,
    );
  for (const { rule, fact, reason } of [...decision.unable, ...decision.errors])
    if (!decision.determining.includes(rule)) sentences.push(`${rule} could not be decided: ${fact}: ${reason}.`);
  return { decision, sentences, rules };
}

/** What an obligation does, in words. */
function obligationWords(obligation: Obligation): string {
  const { type, rule: _, ...rest } = obligation;
  switch (obligation.type) {
    case 'substitute_model':
      return `the call made with ${obligation.model}`;
    case 'cap_max_tokens':
      return 'affordable' in obligation
        ? 'the output capped at what the budgets afford'
        : `the output capped at ${obligation.tokens} tokens`;
    case 'redact':
      return `${listWords([...obligation.rails, ...obligation.patterns, ...obligation.literals].map(valueWords))} taken out`;
    case 'add_tags':
      return `the tags ${listWords(obligation.tags)} added`;
    default:
      return `${type} ${JSON.stringify(rest)}`;
  }
}

function toldRule(rule: CompiledRule, facts: FactTree): ToldRule {
  const outcome = rule.test === undefined ? TRUE : rule.test(facts);
  return {
    rule: rule.ref,
    outcome: outcome === TRUE ? 'matched' : outcome === FALSE ? 'did not match' : 'undecided',
    because: rule.node === undefined ? 'it has no condition' : listWords(why(rule.node, facts, outcome)),
  };
}

/** The comparisons that made a condition come out as it did; of several that would each do, the first. */
function why(node: Node, facts: FactTree, outcome: Outcome): readonly string[] {
  if (!isBranch(node)) return [endWords(node, facts, outcome)];
  if (node.operator === 'not') {
    const inner = outcome === UNABLE ? UNABLE : outcome === TRUE ? FALSE : TRUE;
    return node.children.flatMap((child) => why(child, facts, inner));
  }
  const those = node.children.filter((child) => child.test(facts) === outcome);
  const all = outcome === (node.operator === 'and' ? TRUE : FALSE) || outcome === UNABLE;
  return (all ? those : those.slice(0, 1)).flatMap((child) => why(child, facts, outcome));
}

function endWords(node: EndNode, facts: FactTree, outcome: Outcome): string {
  const text = isExpression(node)
    ? `${node.expression} is ${outcome === TRUE ? 'true' : outcome === FALSE ? 'false' : 'undecided'}`
    : outcome === UNABLE
      ? `whether ${leafWords(node)} is not known`
      : leafWords(node, outcome === TRUE);
  const values = factsRead(node).map((fact) => {
    const given = reader(fact)(facts);
    const named = isExpression(node) ? `${fact.name} is` : 'it is';
    if (given instanceof Unable) return `${fact.name}: ${given.reason}`;
    if (given === undefined || given === null) return `${named} missing`;
    if (!fact.text) return `${named} ${valueWords(given)}`;
    return typeof given === 'string' ? `${named} a text of ${given.length} characters` : `${named} texts`;
  });
  const plain = !isExpression(node) && node.operator === 'eq' && outcome === TRUE;
  return plain || values.length === 0 ? text : `${text} (${values.join(', ')})`;
}
