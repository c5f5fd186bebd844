import type { Failure, Finding, Frame, PatternRef, ReplyEvent } from '../exchange/index.ts';
import {
  type Decision,
  decide,
  type FactTree,
  type Program,
  patternsOf,
  type ResponsePlan,
  Unable,
  type Verdict,
} from '../policy/index.ts';
import { cleanFailure } from './clean-failure.ts';
import type { Released } from './held-frames.ts';
import { HoldBack, type Holding, type LaneFinding, type Stop } from './hold-back.ts';
import type { Matchers } from './matchers.ts';
import { clearRails, railFact } from './measure-rails.ts';
import { type PlanPart, partsOf } from './plan-parts.ts';
import type { ReplyMeter } from './reply-meter.ts';

/** What is known of a reply once it is over. */
export interface ReplyFigures {
  readonly cost_usd: number | undefined;
  readonly latency_ms: number;
}

/**
 * The response rules of one exchange, partially evaluated, meeting its reply. `none` lets frames pass, `hold_back`
 * follows them with the matcher, `buffer` waits for the whole reply, `observe` releases and watches.
 */
export class ReplyJudge {
  readonly plan: ResponsePlan;
  readonly #program: Program;
  readonly #facts: FactTree;
  /** Follows what is denied or redacted; frames wait for it alone. */
  readonly #follow: HoldBack | undefined;
  /** Follows what rules only want to know of. */
  readonly #watch: HoldBack | undefined;
  readonly #matchers: Matchers;
  readonly #holding: Holding;
  #buffered: Frame[] | undefined;
  #bufferedBytes = 0;
  #overflow: Stop | undefined;
  decision: Decision | undefined;

  constructor(plan: ResponsePlan, program: Program, facts: FactTree, matchers: Matchers, holding: Holding) {
    this.plan = plan;
    this.#program = program;
    this.#facts = facts;
    this.#matchers = matchers;
    const { acts, notes } = partsOf(plan);
    this.#holding = holding;
    this.#follow = follower(acts, matchers, holding);
    this.#watch = follower(notes, matchers, holding);
  }

  /** Why the reply must end; set at most once. */
  get stop(): Stop | undefined {
    const watched = this.#watch?.stop;
    // Not to know what a rule only wants to know is a fact of the decision; a broken stream is broken.
    return this.#overflow ?? this.#follow?.stop ?? (watched?.kind === 'grammar' ? watched : undefined);
  }

  get found(): readonly LaneFinding[] {
    if (this.#watch === undefined) return this.#follow?.found ?? [];
    const noted = this.#watch.found;
    return this.#follow === undefined ? noted : [...this.#follow.found, ...noted];
  }

  get scanned(): number {
    return Math.max(this.#follow?.scanned ?? 0, this.#watch?.scanned ?? 0);
  }

  get heldCharacters(): number {
    return this.#follow?.heldCharacters ?? 0;
  }

  /** Whether frames wait inside. */
  get holding(): boolean {
    return this.#bufferedBytes > 0 || (this.#follow?.holding ?? false);
  }

  /** Takes a frame; what may leave now is put into `out`. */
  push(frame: Frame, out: Released[]): void {
    this.#watch?.push(frame);
    switch (this.plan.mode) {
      case 'none':
        out.push({ frame, texts: undefined });
        return;
      case 'observe':
        this.#follow?.push(frame);
        // What breaks a rule leaves, and the record says so; a frame that would only end the reply well does not.
        if (this.stop === undefined || frame.events.some(speaks)) out.push({ frame, texts: undefined });
        return;
      case 'hold_back':
        if (this.#follow === undefined) out.push({ frame, texts: undefined });
        else this.#follow.push(frame, out);
        return;
      case 'buffer':
        this.#buffer(frame, out);
        return;
    }
  }

  #buffer(frame: Frame, out: Released[]): void {
    if (frame.passes) {
      out.push({ frame, texts: undefined });
      return;
    }
    this.#bufferedBytes += frame.raw.length;
    if (this.#bufferedBytes > this.plan.bufferBytesMax) {
      this.#overflow = { kind: 'unable', reason: `the reply has more than ${this.plan.bufferBytesMax} bytes` };
      return;
    }
    this.#buffered ??= [];
    this.#buffered.push(frame);
    this.#follow?.push(frame);
  }

  /** The reply is over: the response rules are decided as a whole, and what is left leaves. */
  conclude(meter: ReplyMeter, figures: ReplyFigures, out: Released[]): void {
    const rest: Released[] = [];
    this.#follow?.finish(rest);
    this.#watch?.finish();
    this.decision = this.#decide(meter, figures, true);
    if (!this.decision.allowed || this.stop !== undefined) return;
    if (this.plan.mode === 'buffer') this.#release(this.decision, out);
    else if (this.plan.mode === 'hold_back') out.push(...rest);
  }

  /** Everything held leaves, redacted as the decision on the whole reply says. */
  #release({ modifications }: Decision, out: Released[]): void {
    const buffered = this.#buffered ?? [];
    const patterns: PatternRef[] = [];
    const verdicts: Verdict[] = [];
    for (const redaction of modifications.redact) {
      for (const pattern of patternsOf(redaction)) {
        patterns.push(pattern);
        verdicts.push({ effect: 'redact', with: redaction.with, rule: redaction.rule });
      }
    }
    if (patterns.length === 0) {
      for (const frame of buffered) out.push({ frame, texts: undefined });
      return;
    }
    const second = new HoldBack(this.#matchers.of(patterns), { patterns, verdicts }, { ...this.#holding, whole: true });
    for (const frame of buffered) second.push(frame, out);
    second.finish(out);
    this.#overflow = second.stop;
  }

  /** A fault as the client may see it. */
  cleared(failure: Failure): Failure {
    return cleanFailure(failure, this.plan, this.#matchers);
  }

  /** The decision on what was seen, for a reply that was stopped or broke off. */
  decideStopped(meter: ReplyMeter, figures: ReplyFigures): void {
    this.decision ??= this.#decide(meter, figures, false);
  }

  #decide(meter: ReplyMeter, figures: ReplyFigures, whole: boolean): Decision {
    // Nobody reads facts of a reply that no rule is about.
    if (!this.#program.has('response')) return decide(this.#program, 'response', this.#facts);
    // Of a whole reply these are there to be known: a rule that reads them must not take silence for a small number.
    const unknown = whole ? new Unable('the provider did not tell') : undefined;
    const response = {
      text: meter.text,
      finishReason: meter.finishReason,
      tokens: meter.usage?.output ?? unknown,
      cost: figures.cost_usd ?? unknown,
      latency_ms: figures.latency_ms,
    };
    return decide(this.#program, 'response', { ...this.#facts, rails: this.#rails(), response } as FactTree);
  }

  /** What was found in it, rail by rail. */
  #rails(): Record<string, unknown> {
    const needs = this.#program.needs('response');
    const found = this.found;
    if (found.length === 0 && this.stop === undefined && this.#watch?.stop === undefined) return clearRails(needs);
    const rails: Record<string, unknown> = {};
    for (const name of needs.rails.keys()) {
      const unable = this.#unable(name);
      rails[name] = unable === undefined ? railFact(findingsOf(name, found)) : new Unable(unable);
    }
    return rails;
  }

  /** Why a rail's findings are not known. */
  #unable(rail: string): string | undefined {
    if (this.stop?.kind === 'unable') return this.stop.reason;
    const watched = this.#watch?.stop;
    return watched?.kind === 'unable' && this.#watch?.looksFor(rail) ? watched.reason : undefined;
  }
}

const noFindings: readonly Finding[] = [];

function findingsOf(rail: string, found: readonly LaneFinding[]): readonly Finding[] {
  if (found.length === 0) return noFindings;
  return found
    .filter(({ span }) => span.rail === rail)
    .map(({ span: { type, start, end } }) => ({ rail, type, start, end, score: 1, view: 'plain' }));
}

function speaks(event: ReplyEvent): boolean {
  return event.type === 'text' && event.lane.channel !== 'other';
}

function follower(part: PlanPart, matchers: Matchers, holding: Holding): HoldBack | undefined {
  return part.patterns.length === 0 ? undefined : new HoldBack(matchers.of(part.patterns), part, holding);
}
