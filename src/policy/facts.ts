import { nearest } from './problem.ts';
import { isRail, railNames, railStreams } from './rails.ts';
import { wasmFactOf } from './wasm-fact.ts';

/** `strings` is a list of texts, `list` one of objects, `any` what the caller sent. */
export type FactType = 'string' | 'number' | 'boolean' | 'time' | 'strings' | 'list' | 'any';

export interface Fact {
  /** Canonical name, after aliases. */
  readonly name: string;
  readonly type: FactType;
  /** A prompt or a reply: never in a reason, in a record only as a keyed hash. */
  readonly text: boolean;
  /** Known once there is a reply: not in request rules. */
  readonly ofReply: boolean;
  /** Of the request alone: not in rules about its reply. */
  readonly ofRequest: boolean;
  /** Names below are the caller's or the operator's: only own properties count. */
  readonly open: boolean;
}

const s = 'string';
const n = 'number';
const named: Readonly<Record<string, Readonly<Record<string, FactType>>>> = {
  llm: {
    provider: s,
    model: s,
    requestedModel: s,
    format: s,
    prompt: s,
    systemPrompt: s,
    messages: 'list',
    maxTokens: n,
    temperature: n,
    stream: 'boolean',
    tools: 'strings',
    hasImages: 'boolean',
    estimatedTokens: n,
    estimatedCost: n,
    priceKnown: 'boolean',
    complexity: n,
  },
  user: { id: s, email: s, roles: 'strings', permissions: 'strings', region: s },
  team: { id: s, name: s, tier: s },
  project: { id: s, name: s, environment: s },
  organization: { id: s, tier: s },
  key: { id: s, scopes: 'strings', expiresAt: 'time' },
  request: { id: s, time: 'time', ip: s, country: s, userAgent: s, tags: 'strings' },
  response: { text: s, finishReason: s, tokens: n, cost: n, latency_ms: n },
};

const scopes = ['organization', 'team', 'project', 'user', 'key', 'model'];
const budgetFacts: Readonly<Record<string, FactType>> = {
  limit_usd: n,
  spent_usd: n,
  held_usd: n,
  remaining_usd: n,
  used_percent: n,
  resetsAt: 'time',
};
const usageFacts: Readonly<Record<string, FactType>> = {
  ...Object.fromEntries(
    ['requests', 'tokens'].flatMap((unit) => ['minute', 'hour', 'day'].map((w) => [`${unit}_per_${w}`, n] as const)),
  ),
  concurrent: n,
};
const railFacts: Readonly<Record<string, FactType>> = { found: 'boolean', types: 'strings', score: n, count: n };
/** The prompt without what a rail found in it: of rails whose findings have places. */
const redactedFacts: Readonly<Record<string, FactType>> = { redacted: s };
const providerFacts: Readonly<Record<string, FactType>> = { healthy: 'boolean', errorRate: n, latency_ms: n };
const priceFacts: Readonly<Record<string, FactType>> = { input_usd_per_mtok: n, output_usd_per_mtok: n };

const texts = new Set([
  ...['llm.prompt', 'llm.systemPrompt', 'llm.messages', 'response.text'],
  ...['rails.pii.redacted', 'rails.secrets.redacted'],
]);

/** Names published policies use for the same facts. */
export const factAliases: Readonly<Record<string, string>> = {
  'llm.containsPII': 'rails.pii.found',
  'llm.piiTypes': 'rails.pii.types',
  'request.ipAddress': 'request.ip',
  'request.timestamp': 'request.time',
  'organisation.id': 'organization.id',
  'organisation.tier': 'organization.tier',
};

const names: readonly string[] = [
  ...Object.entries(named).flatMap(([group, members]) => Object.keys(members).map((name) => `${group}.${name}`)),
  ...scopes.flatMap((scope) => Object.keys(budgetFacts).map((name) => `budget.${scope}.${name}`)),
  ...scopes.flatMap((scope) => Object.keys(usageFacts).map((name) => `usage.${scope}.${name}`)),
  ...railNames.flatMap((rail) =>
    Object.keys(railStreams(rail) ? { ...railFacts, ...redactedFacts } : railFacts).map(
      (name) => `rails.${rail}.${name}`,
    ),
  ),
  ...Object.keys(factAliases),
];

/** Every fact with a fixed name, and every alias: for editors and completion. */
export function factNames(): readonly string[] {
  return names;
}

const segment = /^[A-Za-z0-9_][A-Za-z0-9_-]*$/;
// Names every object answers to: never a fact, whatever an object's prototype says.
const forbidden = new Set(Object.getOwnPropertyNames(Object.prototype));
const known = new Map<string, Fact>();
const openGroups = new Set(['metadata', 'provider', 'price']);
const modelShape = /^[A-Za-z0-9][\w.:/@+-]{0,127}$/;
const segments = (part: string): boolean => segment.test(part);
const priced = (part: string, i: number): boolean => (i === 1 ? modelShape : segment).test(part);

/** Where a fact stands in a tree, step by step. A model's name in the name of its price may have dots in it. */
export function factPath(name: string): readonly string[] {
  const parts = name.split('.');
  if (parts[0] !== 'price' || parts.length < 4) return parts;
  return ['price', parts.slice(1, -1).join('.'), parts.at(-1) ?? ''];
}

/** The fact a field names, or undefined where there is no such fact. */
export function factOf(field: string): Fact | undefined {
  const name = own(factAliases, field) ?? field;
  const found = known.get(name);
  if (found !== undefined) return found;
  const verdict = wasmFactOf(name);
  if (verdict !== undefined) return verdict;
  if (name.length > 200) return undefined;
  const parts = factPath(name);
  const shapes = parts[0] === 'price' ? priced : segments;
  if (parts.length > 8 || parts.some((part, i) => !shapes(part, i) || forbidden.has(part))) return undefined;
  const type = typeOf(parts);
  if (type === undefined) return undefined;
  const open = openGroups.has(parts[0] ?? '') || parts[1] === 'headers';
  const fact: Fact = {
    name,
    type,
    text: texts.has(name),
    ofReply: parts[0] === 'response',
    ofRequest: parts[2] === 'redacted',
    open,
  };
  if (!open) known.set(name, fact);
  return fact;
}

function typeOf(parts: readonly string[]): FactType | undefined {
  const [group = '', a = '', b = ''] = parts;
  if (group === 'metadata') return parts.length > 1 ? 'any' : undefined;
  if (group === 'request' && a === 'headers') return parts.length === 3 ? 'string' : undefined;
  if (parts.length === 2) return own(own(named, group), a);
  if (parts.length !== 3) return undefined;
  if (group === 'budget') return scopes.includes(a) ? own(budgetFacts, b) : undefined;
  if (group === 'usage') return scopes.includes(a) ? own(usageFacts, b) : undefined;
  if (group === 'rails')
    return isRail(a) ? (own(railFacts, b) ?? (railStreams(a) ? own(redactedFacts, b) : undefined)) : undefined;
  if (group === 'price') return own(priceFacts, b);
  return group === 'provider' ? own(providerFacts, b) : undefined;
}

function own<T>(table: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return table !== undefined && Object.hasOwn(table, key) ? table[key] : undefined;
}

/** The nearest fact in spelling, for a message. */
export function nearestFact(field: string): string | undefined {
  return nearest(field, names);
}
