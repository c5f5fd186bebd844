import { createHash } from 'node:crypto';
import { Failure } from '../exchange/index.ts';
import type { Decision } from '../policy/index.ts';
import { type Approval, ApprovalsUnavailable } from '../stores/index.ts';
import { richer } from './accept.ts';
import { type Decided, Denial } from './decide.ts';
import type { Identified } from './identify.ts';
import type { Walk } from './walk.ts';

/** A request that nobody has to approve any more. */
export interface Approved extends Decided {
  /** Rules (`policy/rule`) whose approval it has. */
  readonly approved: ReadonlySet<string>;
  /** The approval's id; undefined where no rule asked for one. */
  readonly approval: string | undefined;
}

const nobody: ReadonlySet<string> = new Set();

/** A call that has to wait for people: 403, with the id of the approval to come back with. */
export class ApprovalRequired extends Denial {
  readonly approval: string;

  constructor(message: string, approval: Approval, decision: Decision) {
    const extra = {
      approval: approval.id,
      state: approval.state,
      role: approval.roles.join(', '),
      expires_at: new Date(approval.expires_at_ms).toISOString(),
      ...(decision.policyId === undefined ? {} : { policy: decision.policyId }),
      ...(approval.rules[0] === undefined ? {} : { rule: approval.rules[0] }),
    };
    super('approval_required', message, { extra }, decision);
    this.approval = approval.id;
  }
}

/**
 * Lets a call pass that nobody has to approve, or that comes back with its approval (`x-llm-approval`): given for this
 * caller, these bytes and these rules, not yet used and not expired. Any other that needs one asks for it and is refused
 * with its id (403 `approval_required`). Throws `state_unavailable` (503) where approvals cannot be reached.
 */
export function approve(walk: Walk, decided: Decided): Approved | Promise<Approved> {
  const { decision } = decided.verdict;
  if (decision.decision !== 'approve') return approved(decided, nobody, undefined);
  return asked(walk, decided);
}

/** The request with these rules' approvals. */
export function approved(decided: Decided, rules: ReadonlySet<string>, approval: string | undefined): Approved {
  const request = richer<Approved>(decided);
  request.approved = rules;
  request.approval = approval;
  return request;
}

async function asked(walk: Walk, decided: Decided): Promise<Approved> {
  const { arrival, view, verdict } = decided;
  const approval = await approvalFor(walk, decided, {
    decision: verdict.decision,
    model: view.model,
    bytes: [arrival.route, arrival.body],
  });
  return approved(decided, new Set(approval.rules), approval.id);
}

/** What has to be approved: these bytes, by what the rules of a decision ask for. */
export interface ToApprove {
  readonly decision: Decision;
  readonly model: string;
  /** The route, and everything of the call that another call may not change. */
  readonly bytes: readonly (string | Buffer)[];
}

/** The approval a call comes back with. Any other asks for one. Throws as `approve` does. */
export async function approvalFor(
  walk: Walk,
  { identity, arrival }: Identified,
  { decision, model, bytes }: ToApprove,
): Promise<Approval> {
  const wanted = decision.obligations.filter((one) => one.type === 'approve');
  const { caller } = identity;
  const approval = await reachable(() =>
    walk.approvals.request({
      organization: caller.organization.id,
      team: caller.team.id,
      key: caller.key.id,
      ...(caller.user === undefined ? {} : { user: caller.user.id }),
      model,
      rules: wanted.map(({ rule }) => rule),
      roles: [...new Set(wanted.map(({ role }) => role))],
      reason: decision.reason,
      body: hashOf(walk, bytes),
      ttl_ms: Math.min(...wanted.map(({ ttl_seconds }) => ttl_seconds)) * 1000,
    }),
  );
  const shown = arrival.headers['x-llm-approval'];
  if (shown === approval.id && approval.state === 'approved') return approval;
  throw new ApprovalRequired(messageFor(decision, approval, shown), approval, decision);
}

/** The approval is used up: a call passes with it once. Throws `approval_required` where another one was faster. */
export async function useApproval(walk: Walk, approval: string, decision: Decision): Promise<void> {
  if (await reachable(() => walk.approvals.use(approval))) return;
  const known = await reachable(() => walk.approvals.get(approval));
  if (known === undefined) throw new Failure('approval_required', `The approval ${approval} is gone.`);
  throw new ApprovalRequired(`The approval ${approval} was used already.`, known, decision);
}

function messageFor({ reason }: Decision, { id, state }: Approval, shown: string | string[] | undefined): string {
  const own = reason === '' ? '' : `${reason} `;
  if (state === 'rejected') return `${own}The approval ${id} was refused.`;
  if (shown === id) return `${own}The approval ${id} is not given yet.`;
  const other = shown === undefined ? '' : ' The one that was sent is not for this call, was used, or is over.';
  const next =
    state === 'approved' ? 'is given: send the call again' : 'is asked for: once it is given, send the call again';
  return `${own}This call needs an approval.${other} ${id} ${next} with x-llm-approval: ${id}.`;
}

/** What is approved is these bytes on this route. A keyed hash: nobody who reads it can try out prompts. */
function hashOf(walk: Walk, [route = '', ...parts]: ToApprove['bytes']): string {
  const hash = createHash('sha256').update(route);
  for (const part of parts) hash.update('\n').update(part);
  return walk.keyedHash(hash.digest('hex'));
}

async function reachable<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (thrown) {
    if (!(thrown instanceof ApprovalsUnavailable)) throw thrown;
    throw new Failure('state_unavailable', 'Approvals cannot be read now, so nothing is sent.', {
      retryAfterSeconds: 1,
      cause: thrown,
    });
  }
}
