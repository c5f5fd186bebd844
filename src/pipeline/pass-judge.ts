import { type Decision, decide, type FactTree, Unable, withoutChanges } from '../policy/index.ts';
import type { Provider } from '../providers/index.ts';
import { denial, passable } from './decide.ts';
import { callerFacts } from './facts.ts';
import type { Identified } from './identify.ts';
import { budgetFacts, usageFacts } from './money-facts.ts';
import type { Walk } from './walk.ts';

/** What the policies said of a call that nobody reads. */
export interface PassVerdict {
  readonly request: Decision;
  /** Of the reply, before it is there; undefined where no response rule had a say. */
  readonly response: Decision | undefined;
  readonly facts: FactTree;
  readonly wanted: ReadonlySet<string>;
  /** Stands for what nobody read. */
  readonly unread: Unable;
}

const unread = new Unable('uninspected');

/**
 * Decides on what is known without reading: who asks, from where, what is left, which provider, what is held. Everything
 * of the call itself is `Unable`, and so is everything of its reply, so a rule that hinges on it answers with its
 * `on_error`; a change no rule can make here counts the same, while limits and approvals are of the call as a whole. Only the model is plainly missing: a call may have none.
 * Throws what a deny says (403, 400).
 */
export async function judgePass(
  walk: Walk,
  identified: Identified,
  provider: Provider,
  reserve_nusd: number,
): Promise<PassVerdict> {
  const { program } = identified.pinned;
  const wanted = program.needs('request').facts;
  const facts: FactTree = {
    ...callerFacts(identified, wanted),
    metadata: unread,
    rails: unread,
    llm: unreadCall(provider, reserve_nusd),
    budget: await budgetFacts(walk, identified, wanted),
    usage: await usageFacts(walk, identified, wanted),
  };
  const started = walk.monotonic();
  const request = withoutChanges(program, 'request', decide(program, 'request', facts));
  const reply = { ...facts, response: unread };
  const response = withoutChanges(program, 'response', decide(program, 'response', reply));
  const ruled = response.matchedRules.length > 0 || response.unable.length > 0;
  const refusal = [request, ...(ruled ? [response] : [])].find((one) => !passable(one));
  walk.metrics.evaluation((refusal ?? request).decision, (walk.monotonic() - started) / 1000);
  if (refusal !== undefined) throw denial(refusal);
  return { request, response: ruled ? response : undefined, facts, wanted, unread };
}

/** The facts of a call: where it goes, and what it may cost as far as anybody said. */
function unreadCall(provider: Provider, reserve_nusd: number): FactTree {
  return {
    provider: provider.id,
    estimatedCost: reserve_nusd / 1e9,
    format: unread,
    prompt: unread,
    systemPrompt: unread,
    messages: unread,
    maxTokens: unread,
    temperature: unread,
    stream: unread,
    tools: unread,
    hasImages: unread,
    estimatedTokens: unread,
    complexity: unread,
  };
}
