import type { Caller } from '../../exchange/index.ts';
import type { LateRecord, QueryFilter, RecordChange } from '../../observe/index.ts';
import type { Clock, Modules } from '../../policy/index.ts';
import type { PolicySet } from '../../registry/index.ts';
import type { Answering } from './answers.ts';
import type { Door } from './door.ts';
import type { Lately, RecentEvaluations } from './lately.ts';

/** The decision point of a process: what every surface of it is handed. */
export interface DecisionPoint {
  readonly policies: PolicySet;
  readonly door: Door;
  /** Runs modules of the policies in force, where they have any. */
  modules(): Modules | undefined;
  readonly clock: Clock;
  /** Keyed hash for prompts in the recorded facts. */
  readonly hashText?: (text: string) => string;
  readonly recent: RecentEvaluations;
  /** Those that can be told of: of this process, and of others where it speaks for them. Newest first. */
  evaluations(): Promise<readonly Lately[]>;
  /** Told of each answer, for metrics; seconds. */
  evaluated(decision: string, seconds: number): void;
  /**
   * Resolves when every answer so far is written down, as surely as the configuration asks: nobody is told one before.
   * Undefined where answers are not evidence.
   */
  readonly written?: () => Promise<void>;
  /** Records of calls of late, newest first; none where nothing but evaluations is done. */
  records(filter: Omit<QueryFilter, 'user'>): Promise<readonly LateRecord[]>;
  /** Writes down a change of policies. `route` is a pattern. */
  changed(route: string, change: RecordChange): Promise<void>;
}

/** Who asks. An administrator is of no organization, and sees those of all. */
export interface Asker {
  /** What the trail calls whoever changes something. */
  readonly by: string;
  readonly caller?: Caller;
}

/** What questions of this caller are answered from: the program in force now. */
export function answeringTo(point: DecisionPoint, caller: Caller): Answering {
  return {
    program: point.policies.program(),
    modules: point.modules(),
    clock: point.clock,
    hashText: point.hashText,
    answered(response) {
      point.evaluated(response.decision.decision, response.evaluationTimeMs / 1000);
      point.recent.add(caller, response);
    },
  };
}
