import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { Settings } from '../config.ts';
import { type AuditRecord, changeRecord, lateRecords, type Metrics, type QueryFilter } from '../observe/index.ts';
import type { Pinned } from '../pipeline/index.ts';
import type { PolicySet } from '../registry/index.ts';
import { openDoor } from '../surfaces/decision/door.ts';
import { type Lately, RecentEvaluations } from '../surfaces/decision/lately.ts';
import type { DecisionPoint } from '../surfaces/decision/point.ts';
import type { Overview } from './overview.ts';

export interface DecisionPointParts {
  readonly policies: PolicySet;
  readonly metrics: Metrics;
  /** Modules of its policies are run where it answers for them. */
  pinned(): Pick<Overview, 'directory'> & Pick<Pinned, 'modules'>;
  settings(): Settings;
  /** Writes down a change somebody made. */
  record(record: AuditRecord): Promise<void>;
  /** Evaluations of other processes it speaks for. */
  readonly evaluations?: () => Promise<readonly Lately[]>;
  /** Records that are in no file, newest first. */
  recent(filter: QueryFilter): readonly AuditRecord[] | Promise<readonly AuditRecord[]>;
}

/** The decision point of a process, made of the gateway's parts. */
export function decisionPoint(parts: DecisionPointParts): DecisionPoint {
  const { policies, metrics } = parts;
  const recent = new RecentEvaluations();
  const elapsed = () => performance.now();
  return {
    policies,
    door: openDoor({
      identify: (credentials) => parts.pinned().directory.identify(credentials),
      evaluations_per_minute: () => parts.settings().policies.evaluations_per_minute,
      elapsed,
    }),
    modules: () => parts.pinned().modules,
    clock: { now: Date.now, elapsed },
    recent,
    evaluations: parts.evaluations ?? (async () => recent.list()),
    evaluated: (decision, seconds) => metrics.evaluation(decision, seconds),
    async records(filter) {
      const { audit, state } = parts.settings();
      const [sink] = audit.sinks;
      if (sink === undefined) return await parts.recent(filter);
      return await lateRecords(sink.path ?? join(state.path, 'audit'), filter);
    },
    changed(route, change) {
      const exchange = `ex_${randomUUID().replaceAll('-', '')}`;
      return parts.record(changeRecord({ exchange, time_ms: Date.now(), route, change }));
    },
  };
}
