import type { Failure, FailureCode, Usage } from '../exchange/index.ts';
import type { RecordAttempt } from '../observe/index.ts';
import type { Candidate } from '../providers/index.ts';
import type { Admitted, Hold } from './admit.ts';
import type { Substitution, Verdict } from './decide.ts';
import type { Cost } from './settle.ts';

/** What a provider answered instead of a reply. */
export interface Refusal {
  readonly failure: Failure;
  readonly headers: Readonly<Record<string, string>>;
  /** What it told of its cost. */
  readonly usage?: Usage | undefined;
  /** A reply came, though nothing of it can be given out. */
  readonly whole?: boolean;
}

const none: readonly never[] = Object.freeze([]);

/** What attempts leave behind even when none succeeds: the record and the settlement need it. */
export class Attempts {
  /** The tries so far, as the record tells them. */
  notes: readonly RecordAttempt[] = none;
  /** A request reached a provider that may bill it, though no usable reply came back. */
  sent = false;
  /** What tries may cost that fell silent after they were sent: each may be billed beside the one that answers. */
  unanswered: readonly Cost[] = none;
  /** Who may bill the last of them. */
  silent: Candidate | undefined = undefined;
  /** Candidates of models that budgets named instead of others they had no room for. */
  instead: Map<Candidate, Substitution> | undefined = undefined;
  hold: Hold;
  candidate: Candidate | undefined;
  verdict: Verdict;
  /** The last refusal of a provider, with the headers it came with: they go on with it, should it become the reply. */
  refusal: Refusal | undefined;
  /** Milliseconds from the request to the first frame of its reply. */
  firstToken_ms: number | undefined;
  /** What the gateway itself took of that. */
  overhead_ms: number | undefined;

  constructor(admitted: Admitted) {
    this.hold = admitted.hold;
    this.verdict = admitted.verdict;
    this.firstToken_ms = undefined;
    this.overhead_ms = undefined;
    this.candidate = undefined;
    this.refusal = undefined;
  }

  /** How the candidate tried last came in, where a budget named it. */
  get substitution(): Substitution | undefined {
    return this.candidate === undefined ? undefined : this.instead?.get(this.candidate);
  }

  /** Notes a try that is over; `status` is 0 where no reply came. */
  note(candidate: Candidate, status: number, failure: FailureCode | undefined, ms: number, cost_nusd?: number): void {
    const { provider, model } = candidate;
    const note = {
      provider: provider.id,
      model,
      status: status === 0 ? undefined : status,
      failure,
      ms,
      cost_nusd,
    };
    this.notes = this.notes.length === 0 ? [note] : [...this.notes, note];
  }
}
