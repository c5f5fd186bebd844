/** What a lint says. `error`: it cannot be meant; `warning`: it is probably not meant; `note`: it could be better. */
export type Severity = 'error' | 'warning' | 'note';
export const severities: readonly Severity[] = ['error', 'warning', 'note'];

/** Every finding has one of these codes. */
export const findingCodes = {
  'always-false': 'error',
  'always-true': 'warning',
  contradictory: 'error',
  duplicate: 'warning',
  shadowed: 'warning',
  unreachable: 'error',
  'missing-reason': 'warning',
  'missing-test': 'warning',
  'slow-rule': 'note',
  'unbounded-pattern': 'warning',
  'unused-parameter': 'warning',
} as const satisfies Readonly<Record<string, Severity>>;

export type FindingCode = keyof typeof findingCodes;

/** Something doubtful in a policy. Lines and columns count from 1; 0 where there is no text. */
export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly code: FindingCode;
  readonly severity: Severity;
  /** `policy/rule`, or the policy. */
  readonly rule: string;
  /** The other rule, where there are two to it. */
  readonly other?: string;
  readonly message: string;
  /** Why there can be no facts that say otherwise: comparisons that cannot be had together. */
  readonly proof?: readonly string[];
  /** Facts that show it, by their dotted names; they were decided on before this was said. */
  readonly facts?: Readonly<Record<string, unknown>>;
  /** What was decided on these facts. */
  readonly decision?: string;
}

export interface LintReport {
  /** By file, line and column. */
  readonly findings: readonly Finding[];
  /** Conditions that hide what they ask, so nothing is said of them. */
  readonly unanalysed: readonly { readonly rule: string; readonly why: string }[];
}
