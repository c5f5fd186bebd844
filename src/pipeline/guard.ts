import { Failure, type FailureCode, failures, type ReplyContext } from '../exchange/index.ts';
import type { Ending } from '../observe/index.ts';
import type { Decision } from '../policy/index.ts';
import { planResponse } from '../policy/index.ts';
import type { Admitted } from './admit.ts';
import type { Answered } from './attempt.ts';
import { denial } from './decide.ts';
import type { LaneFinding } from './hold-back.ts';
import type { ReplyHead } from './reply-head.ts';
import { ReplyJudge } from './reply-judge.ts';
import { ReplyMeter } from './reply-meter.ts';
import { runPlain } from './reply-plain.ts';
import { StreamRun } from './reply-stream.ts';
import type { Outlet, Walk } from './walk.ts';

/** A reply that is over: what it said, how it ended, and the bytes that close it, not yet written. */
export interface Guarded {
  readonly ending: Ending;
  /** What went wrong, where something did. Told to the client already, or in `tail`. */
  readonly failure: Failure | undefined;
  readonly meter: ReplyMeter;
  readonly decision: Decision | undefined;
  readonly found: readonly LaneFinding[];
  readonly scanned: number;
  /** The last bytes: they leave after the settlement and the record are written. */
  readonly tail: Buffer;
  readonly bytesOut: number;
  /** Which limit ended a reply at its ceiling. */
  readonly limitedBy?: string | undefined;
}

/** What the guard of one reply works with. */
export interface GuardContext {
  readonly walk: Walk;
  readonly admitted: Admitted;
  readonly answered: Answered;
  readonly outlet: Outlet;
  readonly reply: ReplyContext;
  readonly judge: ReplyJudge;
  readonly meter: ReplyMeter;
  readonly head: Pick<ReplyHead, 'sendStream'>;
}

/**
 * Output rails and response rules over every reply, streamed or plain, with hold-back. Throws or rejects with a failure
 * only while nothing has left; later faults are told inside the stream.
 */
export function guard(
  walk: Walk,
  admitted: Admitted,
  answered: Answered,
  outlet: Outlet,
  head: Pick<ReplyHead, 'sendStream'>,
): Guarded | Promise<Guarded> {
  const { program, matchers } = admitted.pinned;
  const facts = answered.verdict.facts;
  const plan = planResponse(program, facts);
  const needs = program.needs('response');
  const meter = new ReplyMeter(
    needs.facts.has('response.text') || program.needs('settle').facts.has('response.text'),
    answered.candidate.tokenizer !== undefined,
  );
  const judge = new ReplyJudge(plan, program, facts, matchers, {
    whole: !admitted.view.stream,
    // Of two formats one at least knows no blocks.
    oneText: answered.candidate.provider.format.name !== admitted.arrival.format.name,
    bytesMax: admitted.pinned.limits.reply_bytes_max,
  });
  const reply: ReplyContext = {
    id: admitted.id,
    model: admitted.view.model,
    created: Math.floor(admitted.at_ms / 1000),
    usageAsked: admitted.view.usageAsked,
  };
  const context: GuardContext = { walk, admitted, answered, outlet, reply, judge, meter, head };
  return admitted.view.stream ? new StreamRun(context).run() : runPlain(context);
}

/** The failure of a reply that a response rule or a rail ended before anything of it had left. */
export function blocked(judge: ReplyJudge): Failure {
  const { stop } = judge;
  if (stop?.kind === 'deny') {
    const { verdict } = stop;
    const code = verdict.code in failures ? (verdict.code as FailureCode) : 'content_blocked';
    return new Failure(code, verdict.reason || 'The reply was blocked by a policy.', {
      ...(verdict.status === undefined ? {} : { status: verdict.status }),
      extra: { rule: verdict.rule },
    });
  }
  if (judge.decision !== undefined && !judge.decision.allowed) return denial(judge.decision);
  return new Failure('content_blocked', 'The reply could not be checked, so it was not given out.', {
    extra: { unable: stop === undefined ? 'response' : stop.kind },
  });
}
