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

/**
 * The candidate that was probably meant: the nearest in spelling (of two that are as near, the first), where it is near
 * enough for a slip of the fingers, or else the first that begins with what was written.
 */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = name.slice(0, 80).toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  let begun: string | undefined;
  for (const candidate of candidates) {
    const known = candidate.toLowerCase();
    const distance = editDistance(wanted, known, bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
    if (wanted.length > 1 && known.startsWith(wanted)) begun ??= candidate;
  }
  return best ?? begun;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn one word into the other; `limit` for that many and more. */
function editDistance(from: string, to: string, limit: number): number {
  if (Math.abs(from.length - to.length) >= limit) return limit;
  let before: number[] = [];
  let above = Array.from({ length: to.length + 1 }, (_, j) => j);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      const least = Math.min(replaced, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      row.push(swapped ? Math.min(least, (before[j - 2] ?? 0) + 1) : least);
    }
    before = above;
    above = row;
  }
  return Math.min(limit, above[to.length] ?? limit);
}
