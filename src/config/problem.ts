/** Something wrong with the configuration, where it stands, and what was probably meant. */
export interface Problem {
  readonly file: string;
  /** From 1; absent where the trouble is not in a text (a missing directory, the environment). */
  readonly line?: number;
  readonly column?: number;
  /** Dotted path of the key (`organizations.0.teams.1.keys`). */
  readonly key?: string;
  readonly message: string;
  /** The nearest valid name, where the message does not say it itself. */
  readonly suggestion?: string;
}

/** `file:line:column: message`, as editors and terminals read it. */
export function problemText(problem: Problem): string {
  const place = [problem.file, problem.line, problem.column].filter((part) => part !== undefined).join(':');
  const meant = problem.suggestion === undefined ? '' : `; did you mean '${problem.suggestion}'?`;
  return `${place}: ${problem.message}${meant}`;
}
