import type { Caller, Failure } from '../exchange/index.ts';
import type { AuditRecord, DecisionSummary, Ending, Intent, RecordCaller, RecordRail } from '../observe/index.ts';
import { type Decision, factPath, notAsked, Unable } from '../policy/index.ts';
import type { Candidate } from '../providers/index.ts';
import type { Amount } from '../stores/index.ts';
import type { Admitted } from './admit.ts';
import { substitutionsOf, substitutionWarnings } from './admit-instead.ts';
import type { Attempts } from './attempts.ts';
import type { Decided } from './decide.ts';
import type { Guarded } from './guard.ts';
import type { LaneFinding } from './hold-back.ts';
import type { Identified } from './identify.ts';
import type { Inspected } from './inspect.ts';
import type { FoundIn, RailOutcome } from './measure-rails.ts';
import type { Progress } from './progress.ts';
import { ownTime, upstreamMs } from './reply-headers.ts';
import type { Walk } from './walk.ts';

/** What is known before a provider is asked: should the process end, a record can be made from it. */
export function intentOf(
  admitted: Admitted,
  candidate: Candidate | undefined = admitted.candidates[0],
  held: Amount = admitted.hold.amount,
): Intent {
  return {
    exchange: admitted.id,
    request_id: admitted.requestId,
    time_ms: admitted.at_ms,
    route: admitted.arrival.route,
    format: admitted.view.format,
    caller: callerOf(admitted),
    model_asked: admitted.view.model,
    model_used: candidate?.model,
    provider: candidate?.provider.id,
    region: candidate?.provider.region,
    streamed: admitted.view.stream,
    held_nusd: held.nusd,
    program: admitted.pinned.program.id,
    prices: admitted.pinned.catalog.priceBookVersion,
  };
}

/** The audit entry of an exchange, however far it came. */
export function recordOf(walk: Walk, progress: Progress, ending: Ending, failure: Failure | undefined): AuditRecord {
  const { accepted, identified, read, inspected, attempts, guarded, cost } = progress;
  const verdict = attempts?.verdict ?? progress.decided?.verdict;
  const candidate = attempts?.candidate;
  const total = walk.monotonic() - accepted.started;
  const request = progress.denied ?? verdict?.decision;
  const facts = progress.deniedOn ?? verdict?.facts;
  return {
    exchange: accepted.id,
    request_id: accepted.requestId,
    time_ms: accepted.at_ms,
    route: accepted.arrival.route,
    format: accepted.arrival.format.name,
    caller:
      identified === undefined ? { ip: accepted.arrival.ip } : tagged(callerOf(identified), request, guarded?.decision),
    model_asked: read?.view.model,
    model_used: candidate?.model,
    provider: candidate?.provider.id,
    region: candidate?.provider.region,
    streamed: read?.view.stream ?? false,
    held_nusd: (progress.lease?.amount ?? progress.admitted?.hold.amount)?.nusd ?? 0,
    program: identified?.pinned.program.id,
    prices: identified?.pinned.catalog.priceBookVersion,
    attempts: attempts?.notes ?? [],
    scanned_in_bytes: inspected?.scanned ?? 0,
    scanned_out_bytes: guarded?.scanned ?? 0,
    rails: railsOf(inspected, guarded),
    facts: facts === undefined || inspected === undefined ? {} : factsRead(facts, inspected.wanted),
    decision: {
      request:
        request &&
        withApproval(
          withSubstitutions(fromCache(summary(request), inspected), progress.decided, attempts),
          progress.asked ?? progress.admitted?.approval,
        ),
      response: guarded?.decision && summary(guarded.decision),
      settle: progress.settled && summary(progress.settled),
    },
    usage: cost?.usage,
    cost_nusd: cost?.nusd ?? 0,
    cost_estimated: cost?.estimated ?? false,
    ending,
    limited_by: guarded?.limitedBy ?? attempts?.hold.limitedBy,
    failure: failure === undefined ? undefined : { code: failure.code, status: failure.status },
    timings: {
      total,
      upstream: upstreamMs(attempts),
      first_token: attempts?.firstToken_ms,
      overhead: ownTime(walk, accepted, attempts, read?.view.stream === true),
    },
    uninspected: false,
  };
}

const callers = new WeakMap<Caller, RecordCaller>();

/** Who asked, and from where; made once for calls of the same caller from the same place. */
export function callerOf({ identity, arrival }: Identified): RecordCaller {
  const { caller } = identity;
  const known = callers.get(caller);
  if (known !== undefined && known.ip === arrival.ip) return known;
  const made: RecordCaller = Object.freeze({
    organization: caller.organization.id,
    team: caller.team.id,
    project: caller.project?.id,
    key: caller.key.id,
    tags: caller.tags,
    user: caller.user?.id,
    email: caller.user?.email,
    ip: arrival.ip,
  });
  callers.set(caller, made);
  return made;
}

/** The caller with the tags its rules gave this exchange. */
export function tagged(
  caller: RecordCaller,
  request: Decision | undefined,
  response: Decision | undefined,
): RecordCaller {
  if (!tags(request) && !tags(response)) return caller;
  const given = [request, response].flatMap((decision) => [
    ...(decision?.tags ?? []),
    ...(decision?.modifications.addTags ?? []),
  ]);
  return { ...caller, tags: [...new Set([...(caller.tags ?? []), ...given])] };
}

function tags(decision: Decision | undefined): boolean {
  return decision !== undefined && (decision.tags.length > 0 || decision.modifications.addTags.length > 0);
}

/**
 * The facts the program reads, by their dotted names. What could not be computed is told with the decision; what nobody
 * asked for is told here, since no decision hinges on it.
 */
export function factsRead(facts: object, wanted: ReadonlySet<string>): Record<string, unknown> {
  const read: Record<string, unknown> = {};
  for (const { name, path } of pathsOf(wanted)) {
    let value: unknown = facts;
    for (const part of path)
      value = value === undefined || value === null ? undefined : (value as Record<string, unknown>)[part];
    if (value instanceof Unable) {
      if (value.reason === notAsked) read[name] = `unable: ${notAsked}`;
    } else if (value !== undefined) read[name] = value;
  }
  return read;
}

interface FactPath {
  readonly name: string;
  readonly path: readonly string[];
}

const knownPaths = new WeakMap<ReadonlySet<string>, readonly FactPath[]>();

/** The names a program reads, taken apart once. */
function pathsOf(wanted: ReadonlySet<string>): readonly FactPath[] {
  let paths = knownPaths.get(wanted);
  if (paths === undefined) {
    paths = [...wanted].map((name) => ({ name, path: factPath(name) }));
    knownPaths.set(wanted, paths);
  }
  return paths;
}

function railsOf(inspected: Inspected | undefined, guarded: Guarded | undefined): readonly RecordRail[] {
  const { railOutcomes: told, found } = inspected ?? nothingMeasured;
  const rails = told.length === 0 ? noRails : told.map((one) => requestRail(one, found));
  if (guarded === undefined || guarded.found.length === 0) return rails;
  return [...rails, ...responseRails(guarded.found)];
}

const noRails: readonly RecordRail[] = Object.freeze([]);
const nothingMeasured: Pick<Inspected, 'railOutcomes' | 'found'> = { railOutcomes: [], found: [] };

const noFindings: RecordRail['findings'] = Object.freeze([]);

/** By the names of the rails, of which there are few. */
const clearRails = new Map<string, RecordRail>();

function clearRail(rail: string): RecordRail {
  let clear = clearRails.get(rail);
  if (clear === undefined) {
    clear = Object.freeze({ rail, on: 'request', outcome: 'clear', reason: undefined, findings: noFindings });
    clearRails.set(rail, clear);
  }
  return clear;
}

function requestRail({ rail, outcome, reason }: RailOutcome, found: readonly FoundIn[]): RecordRail {
  if (outcome === 'clear' && reason === undefined) return clearRail(rail);
  const findings = outcome === 'clear' ? noFindings : findingsOf(rail, found);
  return { rail, on: 'request', outcome, reason, findings };
}

function findingsOf(rail: string, found: readonly FoundIn[]): RecordRail['findings'] {
  return found
    .filter(({ finding }) => finding.rail === rail)
    .map(({ passage, finding: { type, start, end, score, view } }) => ({
      type,
      place: passage.path.join('.'),
      start,
      end,
      score,
      view,
    }));
}

function responseRails(found: readonly LaneFinding[]): RecordRail[] {
  const byRail = new Map<string, RecordRail['findings'][number][]>();
  for (const { lane, span } of found) {
    const findings = byRail.get(span.rail) ?? [];
    byRail.set(span.rail, findings);
    const place = `choice ${lane.choice} ${lane.channel} ${lane.index}`;
    findings.push({ type: span.type, place, start: span.start, end: span.end, score: 1, view: 'plain' });
  }
  return [...byRail].map(([rail, findings]) => ({ rail, on: 'response', outcome: 'findings', findings }));
}

/** Whether all that modules had to say was known from before. */
function fromCache(told: DecisionSummary, inspected: Inspected | undefined): DecisionSummary {
  return inspected?.cached === true ? { ...told, cached: true } : told;
}

/** Which approval stands behind a decision that asks for one. */
export function withApproval(told: DecisionSummary, approval: string | undefined): DecisionSummary {
  return approval === undefined ? told : { ...told, approval };
}

const none: Decided['substitutions'] = Object.freeze([]);

/** The decision is the last model's; which rules led to it is told beside it. */
function withSubstitutions(last: DecisionSummary, decided: Decided | undefined, attempts?: Attempts): DecisionSummary {
  const substitutions = decided === undefined ? none : substitutionsOf(decided, attempts);
  if (substitutions.length === 0) return last;
  const led = substitutions.map(({ rule }) => `substitute_model (${rule})`);
  const more = led.filter((one) => !last.obligations.includes(one));
  if (more.length === 0) return last;
  const warnings = substitutionWarnings(substitutions);
  return { ...last, obligations: [...more, ...last.obligations], warnings: [...warnings, ...last.warnings] };
}

const summaries = new WeakMap<Decision, DecisionSummary>();

/** A decision in short. One that is frozen is made once for all calls it is the same for, and so is its summary. */
export function summary(decision: Decision): DecisionSummary {
  const known = summaries.get(decision);
  if (known !== undefined) return known;
  const made = summarized(decision);
  if (Object.isFrozen(decision)) summaries.set(decision, Object.freeze(made));
  return made;
}

/** Whether nobody asked what the rule hinges on: what it would say as an undecided one is nothing it would have said. */
function skipped({ unable }: Decision, rule: string): boolean {
  return unable.some((doubt) => doubt.rule === rule && doubt.reason === notAsked);
}

function summarized(decision: Decision): DecisionSummary {
  return {
    decision: decision.decision,
    policy: decision.policyId,
    version: decision.policyVersion,
    rules: decision.matchedRules,
    reasons: decision.reason === '' ? [] : [decision.reason],
    obligations: decision.obligations.map((one) => `${one.type} (${one.rule})`),
    shadowed: decision.shadowed.map(
      (one) => `${skipped(decision, one.rule) ? 'not asked' : one.decision} (${one.rule})`,
    ),
    unable: decision.unable.map((doubt) => `${doubt.fact}: ${doubt.reason} (${doubt.rule})`),
    warnings: decision.warnings,
    severity: decision.audit?.severity,
    alert: decision.audit?.alert,
  };
}
