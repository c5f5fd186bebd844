import { randomUUID } from 'node:crypto';
import type { Directory } from '../callers/index.ts';
import type { PdpSettings } from '../config.ts';
import { changeRecord, type Metrics } from '../observe/index.ts';
import type { Modules } from '../policy/index.ts';
import type { PolicySet } from '../registry/index.ts';
import { openDoor } from '../surfaces/decision/door.ts';
import type { DecisionPoint } from '../surfaces/decision/point.ts';
import { type EvaluationLog, LoggedEvaluations } from './evaluation-log.ts';

export interface PdpPointParts {
  readonly policies: PolicySet;
  readonly evaluations: EvaluationLog;
  readonly metrics: Metrics;
  modules(): Modules | undefined;
  directory(): Directory;
  settings(): PdpSettings;
}

/** The decision point of a daemon: one door and one way of answering for all of its surfaces. */
export function pdpPoint({
  policies,
  evaluations,
  metrics,
  modules,
  directory,
  settings,
}: PdpPointParts): DecisionPoint {
  const elapsed = () => performance.now();
  const door = openDoor({
    identify: (credentials) => directory().identify(credentials),
    evaluations_per_minute: () => settings().policies.evaluations_per_minute,
    elapsed,
  });
  const recent = new LoggedEvaluations(evaluations);
  return {
    policies,
    modules,
    door: {
      enter: door.enter,
      spend(caller, count) {
        evaluations.open();
        door.spend(caller, count);
      },
    },
    clock: { now: Date.now, elapsed },
    recent,
    written: () => recent.written(),
    evaluations: async () => recent.list(),
    evaluated: (decision, seconds) => metrics.evaluation(decision, seconds),
    // No calls go through here.
    records: async () => [],
    async changed(route, change) {
      const exchange = `ex_${randomUUID().replaceAll('-', '')}`;
      await evaluations.record(changeRecord({ exchange, time_ms: Date.now(), route, change }));
    },
  };
}
