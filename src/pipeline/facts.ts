import type { Passage, RequestView } from '../exchange/index.ts';
import { type FactTree, Unable } from '../policy/index.ts';
import type { Candidate } from '../providers/index.ts';
import type { OutputBound } from './estimate.ts';
import { likelyInputTokens } from './estimate.ts';
import type { Identified } from './identify.ts';
import type { Read } from './read.ts';

/** Facts of the request that cost nothing to know. Texts and rails join only where the program reads them. */
export function requestFacts(read: Read, wanted: ReadonlySet<string>): FactTree {
  return { ...callerFacts(read, wanted), metadata: read.view.metadata, llm: undefined };
}

/** Facts of who asks and from where: what is known of a call before anything of it is read. */
export function callerFacts(identified: Identified, wanted: ReadonlySet<string>): FactTree {
  const { caller } = identified.identity;
  return {
    user: caller.user,
    team: caller.team,
    project: caller.project,
    organization: caller.organization,
    key: caller.key,
    request: requestPart(identified, wanted),
    ...unknowable(wanted),
  };
}

/** Facts of the language this gateway has no source for: what hinges on them cannot be answered, and says so. */
function unknowable(wanted: ReadonlySet<string>): Record<string, unknown> {
  for (const name of wanted) {
    if (name.startsWith('provider.')) return { provider: new Unable('the figures of providers are not facts yet') };
  }
  return {};
}

function requestPart(identified: Identified, wanted: ReadonlySet<string>): Record<string, unknown> {
  const { arrival } = identified;
  return {
    id: identified.requestId,
    time: wanted.has('request.time') ? new Date(identified.at_ms).toISOString() : undefined,
    ip: arrival.ip,
    userAgent: arrival.headers['user-agent'],
    tags: identified.identity.caller.tags,
    headers: readsHeaders(wanted) ? safeHeaders(arrival.headers) : undefined,
    country: wanted.has('request.country') ? new Unable('nobody tells the country of an address') : undefined,
  };
}

function readsHeaders(wanted: ReadonlySet<string>): boolean {
  for (const name of wanted) if (name.startsWith('request.headers.')) return true;
  return false;
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
  return textOf(view.passages.filter((p) => p.role === 'user' && p.channel === 'content'));
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
