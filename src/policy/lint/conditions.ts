import { solve } from '../analysis/solve.ts';
import type { CompiledRule } from '../compiled-rule.ts';
import { isBranch, type Node } from '../node.ts';
import { nodeWords } from '../words.ts';
import type { FindingCode } from './finding.ts';

/** What is said of one rule, before it has its place. */
export interface Claim {
  readonly code: FindingCode;
  readonly message: string;
  readonly proof: readonly string[];
}

export interface Judged {
  readonly claims: readonly Claim[];
  /** Why nothing is said. */
  readonly unanalysed?: string;
}

/** Conditions that always come out the same: as a whole, or a part of them. */
export function judgeCondition({ node }: CompiledRule): Judged {
  if (node === undefined) return { claims: [] };
  const holds = solve([{ node, want: 'true' }]);
  if (holds.kind === 'impossible')
    return { claims: [{ code: 'always-false', message: 'it can never match', proof: holds.reasons }] };
  const fails = solve([{ node, want: 'false' }]);
  if (fails.kind === 'impossible')
    return { claims: [{ code: 'always-true', message: 'it matches whatever its facts are', proof: fails.reasons }] };
  const doubt = holds.kind === 'unknown' ? holds.why : fails.kind === 'unknown' ? fails.why : undefined;
  return { claims: parts(node), ...(doubt === undefined ? {} : { unanalysed: doubt }) };
}

function parts(node: Node): readonly Claim[] {
  if (!isBranch(node)) return [];
  return node.children.flatMap((child): readonly Claim[] => {
    if (!isBranch(child)) return [];
    const text = nodeWords(child);
    const holds = solve([{ node: child, want: 'true' }]);
    if (holds.kind === 'impossible')
      return [{ code: 'always-false', message: `a part of it can never be true: ${text}`, proof: holds.reasons }];
    const fails = solve([{ node: child, want: 'false' }]);
    if (fails.kind === 'impossible')
      return [{ code: 'always-true', message: `a part of it is always true: ${text}`, proof: fails.reasons }];
    return parts(child);
  });
}
