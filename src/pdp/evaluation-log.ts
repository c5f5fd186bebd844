import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { PdpSettings } from '../config.ts';
import { type Caller, Failure } from '../exchange/index.ts';
import { type AuditRecord, evaluationRecord, fileSink, type Log, openTrail } from '../observe/index.ts';
import { summary } from '../pipeline/index.ts';
import type { EvaluateResponse } from '../policy/index.ts';
import { openEmbeddedQueue } from '../stores/index.ts';
import { RecentEvaluations } from '../surfaces/decision/lately.ts';

/** Every evaluation of a daemon, as evidence: facts used, decision, program. */
export interface EvaluationLog {
  /** Throws `audit_unavailable` where the disk does not take another record: what cannot be told is not decided. */
  open(): void;
  /** Resolves when the record survives a crash, as surely as `state.fsync` asks. Never rejects. */
  add(caller: Caller, response: EvaluateResponse): Promise<void>;
  /** What else is evidence: a change of policies. */
  record(record: AuditRecord): Promise<void>;
  readonly accepting: boolean;
  close(): Promise<void>;
}

/** A log that keeps nothing, for daemons whose callers record decisions themselves. */
const off: EvaluationLog = {
  open() {},
  async add() {},
  async record() {},
  accepting: true,
  async close() {},
};

/** Evaluations of late, each of which is logged as well. */
export class LoggedEvaluations extends RecentEvaluations {
  readonly #log: EvaluationLog;
  #last: Promise<unknown> = Promise.resolve();

  constructor(log: EvaluationLog) {
    super();
    this.#log = log;
  }

  override add(caller: Caller, response: EvaluateResponse): void {
    super.add(caller, response);
    this.#last = Promise.all([this.#last, this.#log.add(caller, response)]);
  }

  /** Resolves when the records of all evaluations so far are written. */
  async written(): Promise<void> {
    await this.#last;
  }
}

/** Opens the log the settings ask for: a spool that survives the process, and files beyond it. */
export async function openEvaluationLog({ state, audit }: PdpSettings, log: Log): Promise<EvaluationLog> {
  if (!audit.enabled) return off;
  const trail = await openTrail({
    path: join(state.path, 'spool'),
    spoolId: 'pdp',
    fsync: state.fsync,
    sinks: [fileSink(audit.path, 'file')],
    queue: openEmbeddedQueue({ attempts: 5, backoff_ms: 250 }),
    recent_max: 0,
    log,
  });
  return {
    open() {
      if (!trail.state().accepting) throw new Failure('audit_unavailable', 'The evaluation log cannot be written.');
    },
    add({ organization, team, key, user, project }, response) {
      const { requestId, decision, facts, program, evaluationTimeMs, timestamp } = response;
      // A record that the disk does not take now waits, and its answer with it.
      return trail.end(
        evaluationRecord({
          exchange: `ex_${randomUUID().replaceAll('-', '')}`,
          request_id: requestId,
          time_ms: Date.parse(timestamp),
          route: 'evaluate',
          caller: {
            organization: organization.id,
            team: team.id,
            key: key.id,
            project: project?.id,
            user: user?.id,
            email: user?.email,
          },
          facts,
          decision: summary(decision),
          denied: !decision.allowed,
          program,
          total_ms: evaluationTimeMs,
        }),
      );
    },
    record: (record) => trail.end(record),
    get accepting() {
      return trail.state().accepting;
    },
    close: () => trail.close(),
  };
}
