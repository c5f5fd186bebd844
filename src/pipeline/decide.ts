import { Failure, type FailureCode, type FailureDetail, failures, type RequestView } from '../exchange/index.ts';
import { type Decision, decide as decideProgram, type FactTree, Unable } from '../policy/index.ts';
import { type Candidate, price } from '../providers/index.ts';
import { richer } from './accept.ts';
import { feeUnknown, likelyUsage, type OutputBound, outputBound, pricedAs } from './estimate.ts';
import { llmFacts, type ModelFigures } from './facts.ts';
import type { Inspected } from './inspect.ts';
import { repliesOf } from './labels.ts';
import type { MoneyOfModels } from './money-facts.ts';
import { routedTo } from './route.ts';
import type { Sent } from './sent.ts';
import type { Walk } from './walk.ts';

/** A verdict for one candidate, with the figures it was made on. */
export interface Verdict {
  readonly decision: Decision;
  readonly facts: FactTree;
  readonly figures: ModelFigures;
  /** What it makes of the request, once that is worked out. */
  sent: Sent | undefined;
}

/** Another model in a model's place. */
export interface Substitution {
  readonly from: string;
  readonly to: string;
  /** The rule, or the budget. */
  readonly rule: string;
  /** What the caller is told, where it is told. */
  readonly warning?: string;
}

/** A request that may be sent, to these candidates. `verdict` is the first candidate's. */
export interface Decided extends Inspected {
  readonly verdict: Verdict;
  /** Substitutions that led here, oldest first. */
  readonly substitutions: readonly Substitution[];
}

/** A model substituted for one that was substituted: more steps than this is a policy that cannot make up its mind. */
const substitutionsMax = 4;
/** Rules that send a call elsewhere for where another sent it: more than this lead nowhere. */
const routesMax = 4;

const none: readonly never[] = Object.freeze([]);

/**
 * Facts to a decision, again for each substituted model, never twice the same one. Starts with the candidates that were
 * read, or with those the last of `before` led to. Throws what a deny says (403, 400).
 */
export function decide(
  walk: Walk,
  inspected: Inspected,
  before: readonly Substitution[] = none,
  start: readonly Candidate[] = inspected.candidates,
): Decided {
  let candidates = start;
  let substitutions = before;
  let routes: readonly string[] = none;
  for (;;) {
    const [first] = candidates;
    if (first === undefined) throw new Failure('internal_error', 'No candidate is left to decide for.');
    const verdict = judge(walk, inspected, first);
    const { decision } = verdict;
    if (!passable(decision)) throw denial(decision, verdict.facts);
    const routed = routedTo(inspected, first, decision, candidates);
    if (routed !== undefined && routes.length < routesMax && !routes.includes(routed.name)) {
      routes = [...routes, routed.name];
      candidates = routed.candidates;
      continue;
    }
    const to = decision.modifications.substituteModel;
    if (to === undefined || to === first.model || hasSeen(inspected, substitutions, to)) {
      const decided = richer<Decided>(inspected);
      decided.candidates = candidates;
      decided.verdict = verdict;
      decided.substitutions = substitutions;
      return decided;
    }
    const rule = substitutionRule(decision);
    substitutions = [...substitutions, { from: first.model, to, rule }];
    candidates = inspected.pinned.catalog.resolve(to, walk.random());
    if (candidates.length === 0) {
      throw new Failure('model_not_found', `A policy chose the model '${to}', which no provider offers.`, {
        status: 503,
        extra: { rule },
      });
    }
  }
}

/** Whether a model was asked for or substituted already, or the policy cannot make up its mind. */
function hasSeen({ view }: Inspected, substitutions: readonly Substitution[], model: string): boolean {
  if (model === view.model || substitutions.length >= substitutionsMax) return true;
  return substitutions.some(({ to }) => to === model);
}

/** Deny is the end; what needs an approval may yet get one. */
export function passable({ allowed, decision }: Decision): boolean {
  return allowed || decision === 'approve';
}

/** Whether a call may go on under this decision: an approval counts for the rules it was given for. */
export function passes(decision: Decision, approved: ReadonlySet<string>): boolean {
  if (decision.decision !== 'approve') return decision.allowed;
  return decision.obligations.every(({ type, rule }) => type !== 'approve' || approved.has(rule));
}

function substitutionRule(decision: Decision): string {
  return decision.obligations.find((one) => one.type === 'substitute_model')?.rule ?? '';
}

/** Decides for one candidate. Pure but for the figures: the same facts give the same decision. */
export function judge(walk: Walk, inspected: Inspected, candidate: Candidate): Verdict {
  const figures = figuresFor(walk, inspected, candidate, undefined);
  const facts = factsFor(inspected, figures);
  const started = walk.monotonic();
  const decision = decideProgram(inspected.pinned.program, 'request', facts);
  walk.metrics.evaluation(decision.decision, (walk.monotonic() - started) / 1000);
  return { decision, facts, figures, sent: undefined };
}

/** All facts of a request, for one candidate. */
export function factsFor(inspected: Inspected, figures: ModelFigures): FactTree {
  const { ofModels, facts, wanted } = inspected;
  const money = ofModels === undefined ? undefined : moneyFactsOf(inspected, ofModels, figures.candidate);
  return { ...facts, llm: llmFacts(inspected, figures, wanted), ...money } as FactTree;
}

/** `budget` and `usage` with the candidate's own; a model that came in by a rule was not looked up. */
function moneyFactsOf({ facts }: Inspected, ofModels: MoneyOfModels, { provider, model }: Candidate): object {
  const unread = new Unable('the figures of a model that a rule chose are not read');
  const own = ofModels.get(`${provider.id}/${model}`) ?? { budget: unread, usage: unread };
  const joined = (group: unknown, figures: unknown): unknown =>
    group instanceof Unable ? group : { ...(group as object | undefined), model: figures };
  return { budget: joined(facts.budget, own.budget), usage: joined(facts.usage, own.usage) };
}

/** What a call to this candidate is estimated to take, with the policy's cap once it is known. */
export function figuresFor(
  walk: Walk,
  inspected: Inspected,
  candidate: Candidate,
  policyCap: number | undefined,
): ModelFigures {
  const { view, at_ms } = inspected;
  const output = outputFor(walk, inspected, candidate, policyCap, view);
  const priced = candidate.price !== undefined && feeUnknown(view, at_ms, candidate) === undefined;
  const usage = likelyUsage(view, candidate, output);
  const cost = priced ? price(candidate.price, usage, at_ms, pricedAs(view)) : undefined;
  return { candidate, output, cost_usd: cost === undefined ? undefined : cost / 1e9 };
}

/** The output a request (`view`) is held for: what was asked, or what a decision made of it. */
export function outputFor(
  walk: Walk,
  { pinned, identity }: Inspected,
  candidate: Candidate,
  policyCap: number | undefined,
  view: RequestView,
): OutputBound {
  const observed = view.stream
    ? walk.outputs.high(repliesOf(identity.caller, candidate.provider.id, candidate.model))
    : undefined;
  return outputBound(view, candidate, policyCap, pinned.limits.stream_hold_tokens, observed);
}

/** A deny, with the decision that says it and the facts it was made on. */
export class Denial extends Failure {
  readonly decision: Decision;
  readonly facts: FactTree | undefined;

  constructor(code: FailureCode, message: string, detail: FailureDetail, decision: Decision, facts?: FactTree) {
    super(code, message, detail);
    this.decision = decision;
    this.facts = facts;
  }
}

/** A deny as a failure: the rule's reason, status and code where it gave them. */
export function denial(decision: Decision, facts?: FactTree): Denial {
  const table: FailureCode = decision.blockedByRail ? 'content_blocked' : 'policy_denied';
  const code = decision.code !== undefined && decision.code in failures ? (decision.code as FailureCode) : table;
  const rule = decision.determining[0];
  const detail = {
    ...(decision.status === undefined ? {} : { status: decision.status }),
    extra: {
      ...(decision.policyId === undefined ? {} : { policy: decision.policyId }),
      ...(rule === undefined ? {} : { rule }),
      ...(decision.code !== undefined && !(decision.code in failures) ? { rule_code: decision.code } : {}),
    },
  };
  return new Denial(code, decision.reason || 'A policy denied this call.', detail, decision, facts);
}
