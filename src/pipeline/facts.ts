import type { Passage, RequestView } from '../exchange/index.ts';
import { type FactTree, factPath, Unable } from '../policy/index.ts';
import { type Candidate, usdPerMtok } from '../providers/index.ts';
import type { ScopeKind, Window } from '../stores/index.ts';
import type { OutputBound } from './estimate.ts';
import { likelyInputTokens } from './estimate.ts';
import type { Identified } from './identify.ts';
import type { Read } from './read.ts';

/** Facts of the request that cost nothing to know. Texts and rails join only where the program reads them. */
export function requestFacts(read: Read, wanted: ReadonlySet<string>): FactTree {
  return callerFacts(read, wanted, read.view.metadata);
}

/**
 * Facts of who asks and from where: what is known of a call before anything of it is read. Every group has its place
 * from the start, so that all trees are objects of one shape and a copy with another group costs next to nothing.
 */
export function callerFacts(
  identified: Identified,
  wanted: ReadonlySet<string>,
  metadata: RequestView['metadata'] = undefined,
): FactTree {
  const { caller } = identified.identity;
  return {
    user: caller.user,
    team: caller.team,
    project: caller.project,
    organization: caller.organization,
    key: caller.key,
    request: requestPart(identified, wanted),
    provider: providerFacts(identified, wanted),
    price: priceFacts(identified, wanted),
    metadata,
    llm: undefined,
    rails: undefined,
    budget: undefined,
    usage: undefined,
    response: undefined,
  };
}

/** How the providers that rules name did of late. One that is not configured is missing, as is what nobody measured yet. */
function providerFacts({ pinned }: Identified, wanted: ReadonlySet<string>): Record<string, unknown> | undefined {
  const { providers } = wants(wanted);
  if (providers.length === 0) return undefined;
  const known = new Set(pinned.catalog.providers.map(({ id }) => id));
  return Object.fromEntries(
    providers.filter((id) => known.has(id)).map((id) => [id, pinned.health.figures(id)] as const),
  );
}

/** What the models that rules name cost today. Of one without a price it is not known, and one nobody offers is missing. */
function priceFacts({ pinned, at_ms }: Identified, wanted: ReadonlySet<string>): Record<string, unknown> | undefined {
  const { priced } = wants(wanted);
  if (priced.length === 0) return undefined;
  const prices: Record<string, unknown> = {};
  for (const model of priced) {
    const rates = pinned.catalog.standing(model).map((one) => one.price && usdPerMtok(one.price, at_ms));
    if (rates.length === 0) continue;
    const known = rates.filter((one) => one !== undefined);
    prices[model] =
      known.length < rates.length
        ? new Unable(`nobody told the price of ${model}`)
        : {
            input_usd_per_mtok: Math.max(...known.map(({ input }) => input)),
            output_usd_per_mtok: Math.max(...known.map(({ output }) => output)),
          };
  }
  return prices;
}

function requestPart(identified: Identified, wanted: ReadonlySet<string>): Record<string, unknown> {
  const { arrival } = identified;
  return {
    id: identified.requestId,
    time: wanted.has('request.time') ? new Date(identified.at_ms).toISOString() : undefined,
    ip: arrival.ip,
    userAgent: arrival.headers['user-agent'],
    tags: identified.identity.caller.tags,
    headers: wants(wanted).headers ? safeHeaders(arrival.headers) : undefined,
    country: wanted.has('request.country') ? new Unable('nobody tells the country of an address') : undefined,
  };
}

/** Groups of facts that are only made where a program reads one of them. */
interface Wants {
  readonly headers: boolean;
  /** Ids of those whose figures are read. */
  readonly providers: readonly string[];
  /** Models whose prices are read. */
  readonly priced: readonly string[];
  readonly budget: boolean;
  readonly usage: boolean;
  /** What of `usage` has to be counted, by scope. */
  readonly counted: readonly {
    readonly kind: ScopeKind;
    readonly unit: 'requests' | 'tokens';
    readonly window: Window;
  }[];
  /** Scopes whose calls at once are. */
  readonly seats: readonly ScopeKind[];
}

const seatsName = /^usage\.(organization|team|project|user|key|model)\.concurrent$/;
const usageName = /^usage\.(organization|team|project|user|key|model)\.(requests|tokens)_per_(minute|hour|day)$/;

const known = new WeakMap<ReadonlySet<string>, Wants>();

/** What of a program's wanted facts needs more than a field: looked through once for each program, not for each call. */
export function wants(wanted: ReadonlySet<string>): Wants {
  let found = known.get(wanted);
  if (found === undefined) {
    found = lookedThrough([...wanted]);
    known.set(wanted, found);
  }
  return found;
}

function lookedThrough(names: readonly string[]): Wants {
  const any = (prefix: string): boolean => names.some((name) => name.startsWith(prefix));
  return {
    headers: any('request.headers.'),
    providers: [...new Set(names.flatMap((name) => /^provider\.([^.]+)\./.exec(name)?.[1] ?? []))],
    priced: [...new Set(names.flatMap((name) => (name.startsWith('price.') ? (factPath(name)[1] ?? []) : [])))],
    budget: any('budget.'),
    usage: any('usage.'),
    counted: names.flatMap((name) => {
      const parts = usageName.exec(name);
      if (parts === null) return [];
      return [{ kind: parts[1] as ScopeKind, unit: parts[2] as 'requests' | 'tokens', window: parts[3] as Window }];
    }),
    seats: names.flatMap((name) => (seatsName.exec(name)?.[1] as ScopeKind | undefined) ?? []),
  };
}

const credentialHeader = /^(authorization|proxy-authorization|cookie|x-api-key|api-key|x-goog-api-key)$/;

/** Headers as a fact: credentials are not among them. */
function safeHeaders(headers: Read['arrival']['headers']): Record<string, string> {
  const safe: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !credentialHeader.test(name))
      safe[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return safe;
}

export interface ModelFigures {
  readonly candidate: Candidate;
  readonly output: OutputBound;
  /** Dollars; undefined where the price is unknown. */
  readonly cost_usd: number | undefined;
}

/** The `llm.*` facts, for one candidate: decided again for each model that is tried. */
export function llmFacts(read: Read, figures: ModelFigures, wanted: ReadonlySet<string>): Record<string, unknown> {
  const { view } = read;
  const { candidate } = figures;
  const facts: Record<string, unknown> = {
    provider: candidate.provider.id,
    model: candidate.model,
    requestedModel: view.model,
    format: view.format,
    maxTokens: view.maxOutputTokens,
    temperature: view.temperature,
    stream: view.stream,
    tools: view.toolNames,
    hasImages: view.hasImages,
    estimatedTokens: likelyInputTokens(view),
    estimatedCost: figures.cost_usd,
    priceKnown: figures.cost_usd !== undefined,
  };
  if (wanted.has('llm.prompt')) facts.prompt = promptOf(view);
  if (wanted.has('llm.systemPrompt')) facts.systemPrompt = textOf(view.passages.filter((p) => p.role === 'system'));
  if (wanted.has('llm.messages')) facts.messages = view.chat.messages.map((message) => message.role);
  if (wanted.has('llm.complexity')) facts.complexity = complexity(view);
  return facts;
}

/** What the user said last and everything else that is not the operator's: the text a prompt rule is about. */
function promptOf(view: RequestView): string {
  return textOf(promptPassages(view));
}

export function promptPassages(view: RequestView): readonly Passage[] {
  return view.passages.filter((p) => p.role === 'user' && p.channel === 'content');
}

function textOf(passages: readonly Passage[]): string {
  return passages.map((passage) => passage.text).join('\n');
}

/** 0 to 1: how much a request asks for, by length, turns and tools. A rough figure for routing, documented as such. */
function complexity(view: RequestView): number {
  const length = Math.min(1, likelyInputTokens(view) / 8_000);
  const turns = Math.min(1, view.chat.messages.length / 20);
  const tools = Math.min(1, view.toolNames.length / 10);
  return Math.round((0.5 * length + 0.3 * turns + 0.2 * tools) * 1000) / 1000;
}

const unsettled = new Unable('it may be another yet');

/** The facts of a request without those that another candidate has otherwise, or another moment: what holds then holds for all. */
export function unsettledFacts(facts: FactTree): FactTree {
  const { llm, budget, usage } = facts;
  const ofModel = { provider: unsettled, model: unsettled, estimatedCost: unsettled, priceKnown: unsettled };
  return {
    ...facts,
    llm: { ...(llm as object), ...ofModel },
    budget: budget instanceof Unable ? budget : { ...(budget as object | undefined), model: unsettled },
    usage: usage instanceof Unable ? usage : { ...(usage as object | undefined), model: unsettled },
  };
}
