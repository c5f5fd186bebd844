import { findSpans, type JsonEdit } from '../json/index.ts';

/** The least budget the API takes, tokens (https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking). */
const budgetMin = 1024;

/**
 * Thinking that fits below a smaller `max_tokens`: the API refuses a budget that is not less. A budget that no longer
 * fits shrinks; where even the least one does not fit, thinking is off. Both are told.
 */
export function fitThinking(
  bytes: Buffer,
  maxTokens: number,
): { readonly edits: readonly JsonEdit[]; readonly warnings: readonly string[] } {
  const path = ['thinking', 'budget_tokens'];
  const [span] = findSpans(bytes, [path]);
  const budget = span === undefined ? Number.NaN : Number(bytes.toString('latin1', span.start, span.end));
  if (!(budget >= maxTokens)) return { edits: [], warnings: [] };
  if (maxTokens > budgetMin) {
    const fitting = maxTokens - 1;
    return {
      edits: [{ op: 'replace', path, json: String(fitting) }],
      warnings: [`thinking.budget_tokens: lowered to ${fitting}, below max_tokens`],
    };
  }
  return {
    edits: [{ op: 'replace', path: ['thinking'], json: '{"type":"disabled"}' }],
    warnings: [`thinking: turned off, max_tokens is ${maxTokens}`],
  };
}

/** The budget to ask for beside a limit; undefined where none fits. */
export function budgetBelow(budget: number, maxTokens: number): number | undefined {
  if (budget < maxTokens) return budget;
  return maxTokens > budgetMin ? maxTokens - 1 : undefined;
}
