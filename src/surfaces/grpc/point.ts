import type { Caller } from '../../exchange/index.ts';
import type { Log } from '../../observe/index.ts';
import type { PolicySummary, Program } from '../../policy/index.ts';
import type { Answering } from '../decision/answers.ts';

/** A policy in force, and where it came from. */
export interface TellablePolicy extends PolicySummary {
  /** `file`: of the configuration, and not to be changed here. */
  readonly source: 'file' | 'managed';
  readonly readonly: boolean;
}

/** What came into force with a change, and what no longer is: `namespace/id`. */
export interface PolicyChange {
  readonly revision: number;
  readonly program: string;
  readonly loaded: readonly string[];
  readonly unloaded: readonly string[];
}

/** Policies that can be changed while the program runs. */
export interface ChangeablePolicies {
  readonly revision: number;
  list(): readonly TellablePolicy[];
  get(id: string, namespace?: string): (TellablePolicy & { readonly text: string }) | undefined;
  /** All of them or none. Rejects with `PolicyError`, or a failure where the configuration defines one of them. */
  load(texts: readonly string[], by: string): Promise<readonly TellablePolicy[]>;
  /** False where there is no such policy. */
  unload(id: string, namespace: string, by: string): Promise<boolean>;
  subscribe(listener: (change: PolicyChange) => void): () => void;
}

/** What the gRPC surface is handed. */
export interface GrpcPoint {
  /** Key or token to caller. Throws or rejects with `invalid_api_key`. */
  identify(headers: Readonly<Record<string, string>>): Promise<Caller>;
  program(): Program;
  /** What answers a caller's questions now. */
  answering(caller: Caller): Answering;
  /** Absent where policies come from files alone. */
  readonly policies?: ChangeablePolicies | undefined;
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
  /** Whether calls can be taken now. */
  ready(): boolean;
  readonly log: Log;
}
