/** Something wrong with a policy, and where. Lines and columns count from 1; 0 where there is no text. */
export interface PolicyProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** The nearest valid name, where one is near. */
  readonly suggestion?: string;
}

/** A policy, or a set of them, that cannot be loaded. Holds every problem found, not just the first. */
export class PolicyError extends Error {
  readonly problems: readonly PolicyProblem[];

  constructor(problems: readonly PolicyProblem[]) {
    super(problems.map(problemText).join('\n'));
    this.name = 'PolicyError';
    this.problems = problems;
  }
}

/** One line for people: `file:line:column: message (did you mean ...?)`. */
export function problemText(problem: PolicyProblem): string {
  const place = problem.line > 0 ? `${problem.file}:${problem.line}:${problem.column}: ` : `${problem.file}: `;
  return place + problem.message + (problem.suggestion === undefined ? '' : ` (did you mean ${problem.suggestion}?)`);
}

/** A problem of a whole file or set. */
export function wholeProblem(file: string, message: string): PolicyProblem {
  return { file, line: 0, column: 0, message };
}

/** The candidate nearest in spelling, or undefined where none is near enough to be meant. */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = name.slice(0, 80).toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(wanted, candidate.toLowerCase(), bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? limit;
}
