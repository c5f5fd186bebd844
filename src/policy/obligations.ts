import type { CompiledRule } from './compiled-rule.ts';
import type { Modifications, Obligation, Redaction, Throttle } from './decision.ts';
import type { AuditWish, Json } from './policy.ts';

export interface Merged {
  readonly obligations: readonly Obligation[];
  readonly modifications: Modifications;
  readonly overridden: readonly string[];
}

const none: readonly never[] = Object.freeze([]);
const noFields: { readonly [path: string]: Json } = Object.freeze({});

export const unmodified: Merged = Object.freeze({
  obligations: none,
  modifications: Object.freeze({ redact: none, set: noFields, remove: none, addTags: none }),
  overridden: none,
});

/** Merges what rules ask for. `rules` stand in order of precedence: of two values for one thing the first stands. */
export function merge(rules: readonly CompiledRule[]): Merged {
  const obligations: Obligation[] = [];
  const redact: Redaction[] = [];
  const fields = new Map<string, { readonly value: Json | undefined; readonly text: string }>();
  const addTags = new Set<string>();
  const overridden = new Set<string>();
  let model: string | undefined;
  let cap: number | undefined;
  let affordable: number | undefined;
  let routeTo: readonly string[] | undefined;
  const texts = new Set<string>();
  const retries = new Map<string, number>();
  const throttles: Throttle[] = [];
  const claim = (path: string, value: Json | undefined, rule: string) => {
    const text = value === undefined ? 'removed' : JSON.stringify(value);
    const standing = fields.get(path);
    if (standing === undefined) fields.set(path, { value, text });
    else if (standing.text !== text) overridden.add(rule);
  };
  for (const rule of rules) {
    for (const obligation of rule.obligations) {
      obligations.push(obligation);
      switch (obligation.type) {
        case 'substitute_model':
          if (model === undefined) model = obligation.model;
          else if (model !== obligation.model) overridden.add(obligation.rule);
          break;
        case 'cap_max_tokens':
          if ('affordable' in obligation) affordable = Math.max(affordable ?? 1, obligation.tokens_min);
          else cap = cap === undefined ? obligation.tokens : Math.min(cap, obligation.tokens);
          break;
        case 'redact': {
          const { type: _type, ...redaction } = obligation;
          redact.push(redaction);
          break;
        }
        case 'set':
          for (const [path, value] of Object.entries(obligation.set)) claim(path, value, obligation.rule);
          break;
        case 'remove':
          for (const path of obligation.remove) claim(path, undefined, obligation.rule);
          break;
        case 'add_tags':
          for (const tag of obligation.tags) addTags.add(tag);
          break;
        case 'route_to':
          if (routeTo === undefined) routeTo = obligation.candidates;
          else if (routeTo.join() !== obligation.candidates.join()) overridden.add(obligation.rule);
          break;
        case 'prepend_system':
          texts.add(obligation.text);
          break;
        case 'retry':
          for (const code of obligation.when)
            retries.set(code, Math.min(obligation.max, retries.get(code) ?? obligation.max));
          break;
        case 'throttle': {
          const { type: _type, ...throttle } = obligation;
          throttles.push(throttle);
          break;
        }
        case 'approve':
          break;
        default:
          obligation satisfies never;
      }
    }
  }
  if (obligations.length === 0) return unmodified;
  const set: Record<string, Json> = {};
  const remove: string[] = [];
  for (const [path, { value }] of fields) {
    if (value === undefined) remove.push(path);
    else set[path] = value;
  }
  const modifications: Modifications = {
    ...(model === undefined ? {} : { substituteModel: model }),
    ...(cap === undefined ? {} : { capMaxTokens: cap }),
    ...(affordable === undefined ? {} : { affordableTokensMin: affordable }),
    redact,
    set,
    remove,
    addTags: [...addTags],
    ...(routeTo === undefined ? {} : { routeTo }),
    ...(texts.size === 0 ? {} : { prependSystem: [...texts].join('\n\n') }),
    ...(retries.size === 0 ? {} : { retries: Object.fromEntries(retries) }),
    ...(throttles.length === 0 ? {} : { throttles }),
  };
  return { obligations, modifications, overridden: [...overridden] };
}

const severities = ['info', 'low', 'medium', 'high', 'critical'] as const;

/** Merges wishes for the record: the highest severity, an alert if any asks for one. */
export function mergeAudit(a: AuditWish | undefined, b: AuditWish | undefined): AuditWish | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const content = a.content ?? b.content;
  const severity = severities.findLast((one) => one === a.severity || one === b.severity);
  const alert = a.alert === undefined && b.alert === undefined ? undefined : a.alert === true || b.alert === true;
  return {
    ...(content === undefined ? {} : { content }),
    ...(severity === undefined ? {} : { severity }),
    ...(alert === undefined ? {} : { alert }),
  };
}
