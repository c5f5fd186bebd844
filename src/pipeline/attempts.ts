import type { Failure, FailureCode, Usage } from '../exchange/index.ts';
import type { Candidate } from '../providers/index.ts';
import type { Admitted, Hold } from './admit.ts';
import type { Substitution, Verdict } from './decide.ts';
import type { Cost } from './settle.ts';

/** One try at one candidate, for the record. */
export interface AttemptNote {
  readonly provider: string;
  readonly model: string;
  /** The provider's status; 0 where none came. */
  readonly status: number;
  readonly failure: FailureCode | undefined;
  readonly ms: number;
  /** What a try without a reply may be billed for, estimated; part of the exchange's cost. */
  readonly cost_nusd?: number;
}

/** What a provider answered instead of a reply. */
export interface Refusal {
  readonly failure: Failure;
  readonly headers: Readonly<Record<string, string>>;
  /** What it told of its cost. */
  readonly usage?: Usage | undefined;
  /** A reply came, though nothing of it can be given out. */
  readonly whole?: boolean;
}

/** What attempts leave behind even when none succeeds: the record and the settlement need it. */
export class Attempts {
  readonly notes: AttemptNote[] = [];
  /** A request reached a provider that may bill it, though no usable reply came back. */
  sent = false;
  /** What tries may cost that fell silent after they were sent: each may be billed beside the one that answers. */
  readonly unanswered: Cost[] = [];
  /** Candidates of models that budgets named instead of others they had no room for. */
  readonly instead = new Map<Candidate, Substitution>();
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
    return this.candidate === undefined ? undefined : this.instead.get(this.candidate);
  }

  /** Notes a try that is over. */
  note(candidate: Candidate, status: number, failure: FailureCode | undefined, ms: number, cost_nusd?: number): void {
    this.notes.push({
      provider: candidate.provider.id,
      model: candidate.model,
      status,
      failure,
      ms,
      ...(cost_nusd === undefined ? undefined : { cost_nusd }),
    });
  }
}
