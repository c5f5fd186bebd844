import { Failure, type Frame } from '../exchange/index.ts';
import type { Ending } from '../observe/index.ts';
import { clientGone } from './accept.ts';
import { endingOf } from './ending.ts';
import { blocked, type GuardContext, type Guarded } from './guard.ts';
import type { Released } from './held-frames.ts';
import { withTexts } from './reply-writer.ts';
import { costOf } from './settle.ts';

/** A plain reply: the same events, collected. Nothing leaves before its verdict, so every fault is a status line. */
export function runPlain(context: GuardContext): Guarded | Promise<Guarded> {
  const { admitted, answered } = context;
  if (admitted.abort.reason === undefined && answered.source.over) return judged(context, answered.source.take());
  return allFrames(context).then((frames) => judged(context, frames));
}

function judged(context: GuardContext, frames: readonly Frame[]): Guarded {
  const { walk, admitted, answered, judge, meter } = context;
  const released: Released[] = [];
  meter.plain = frames.length > 0 && !answered.source.streamed;
  for (const frame of frames) {
    meter.see(frame);
    judge.push(frame, released);
  }
  const figures = {
    cost_usd: costOf(admitted, answered, meter),
    latency_ms: walk.monotonic() - admitted.started,
  };
  if (meter.failure !== undefined) {
    judge.decideStopped(meter, figures);
    const failure = judge.cleared(meter.failure);
    return over(context, endingOf(failure), failure, noBytes);
  }
  if (judge.stop === undefined) judge.conclude(meter, figures, released);
  else judge.decideStopped(meter, figures);
  if (judge.stop !== undefined || judge.decision?.allowed === false) {
    return over(context, 'ended_by_rail', blocked(judge), noBytes);
  }
  return over(context, 'complete', undefined, body(context, released));
}

const noBytes = Buffer.alloc(0);

function over({ judge, meter }: GuardContext, ending: Ending, failure: Failure | undefined, tail: Buffer): Guarded {
  return {
    ending,
    failure,
    meter,
    decision: judge.decision,
    found: judge.found,
    scanned: judge.scanned,
    tail,
    bytesOut: tail.length,
  };
}

function allFrames({ admitted, answered }: GuardContext): Promise<readonly Frame[]> {
  return new Promise((resolve, reject) => {
    const frames: Frame[] = [];
    const gone = (): void => {
      answered.source.abort(clientGone);
      reject(clientGone);
    };
    if (admitted.abort.reason !== undefined) {
      gone();
      return;
    }
    admitted.abort.attach(gone);
    answered.source.listen({
      frames: (more) => frames.push(...more),
      done: () => {
        admitted.abort.detach(gone);
        resolve(frames);
      },
    });
  });
}

function body({ admitted, answered, reply }: GuardContext, released: readonly Released[]): Buffer {
  const serving = admitted.arrival.format;
  const sameFormat = answered.candidate.provider.format.name === serving.name;
  const [only] = released;
  if (only === undefined) throw new Failure('upstream_error', 'The provider sent an empty reply.');
  if (sameFormat && released.length === 1 && !answered.source.streamed) {
    return only.texts === undefined ? only.frame.raw : only.frame.rewrite(only.texts);
  }
  const events = released.flatMap(({ frame, texts }) => withTexts(frame.events, texts));
  return serving.plainReply(events, reply);
}
