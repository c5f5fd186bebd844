import type { Directory } from '../callers/index.ts';
import { Failure } from '../exchange/index.ts';
import type { RecordChange } from '../observe/index.ts';
import { type Approval, type Approvals, ApprovalsUnavailable } from '../stores/index.ts';
import type { ApprovalPorts, ApprovalView, Approver } from '../surfaces/http/admin-approvals.ts';

interface Parts {
  readonly approvals: Approvals;
  directory(): Directory;
  /** Writes down a change somebody made. */
  changed(organization: string, route: string, change: RecordChange): Promise<void>;
}

const route = '/admin/v1/approvals';

/** What people may do with approvals: an admin with all, a key with `policy:approve` with those of its own house and roles. */
export function approvalPorts({ approvals, directory, changed }: Parts): ApprovalPorts {
  const sees = (approver: Approver, { organization }: Approval): boolean =>
    approver.caller === undefined || approver.caller.organization === organization;
  return {
    async approver(headers) {
      const { caller } = await directory().identify(headers);
      if (!caller.key.scopes.includes('policy:approve'))
        throw new Failure('policy_denied', "This key may not approve: it lacks the scope 'policy:approve'.");
      const by = caller.user === undefined ? `key:${caller.key.id}` : `user:${caller.team.id}/${caller.user.id}`;
      return {
        by,
        caller: {
          organization: caller.organization.id,
          key: caller.key.id,
          user: caller.user?.id,
          roles: caller.user?.roles ?? [],
        },
      };
    },
    async approvals(approver, state) {
      const all = await reachable(() => approvals.list());
      return all.filter((one) => sees(approver, one) && (state === undefined || one.state === state)).map(view);
    },
    async approval(approver, id) {
      const found = await reachable(() => approvals.get(id));
      if (found === undefined || !sees(approver, found)) throw unknown(id);
      return view(found);
    },
    async decideApproval(approver, id, approved, note) {
      const known = await reachable(() => approvals.get(id));
      if (known === undefined || !sees(approver, known)) throw unknown(id);
      mayDecide(approver, known);
      const word = { approved, by: approver.by, ...(note === undefined ? {} : { note }) };
      const decided = await reachable(() => approvals.decide(id, word));
      if (decided === undefined) throw unknown(id);
      if (decided === false) {
        const { state } = (await reachable(() => approvals.get(id))) ?? known;
        throw new Failure('invalid_request', `The approval ${id} is ${state}: nobody waits for it.`, { status: 409 });
      }
      const action = approved ? 'approval.approve' : 'approval.reject';
      const after = { rules: known.rules.join(', '), ...(note === undefined ? {} : { note }) };
      await changed(known.organization, route, { action, by: approver.by, target: id, after });
      return view(decided);
    },
  };
}

/** Nobody approves their own calls, and nobody speaks for a role they do not have. */
function mayDecide({ caller }: Approver, { key, user, roles }: Approval): void {
  if (caller === undefined) return;
  if (caller.key === key && caller.user === user)
    throw new Failure('policy_denied', 'Somebody else has to approve this: it is your own call.');
  const missing = roles.filter((role) => !caller.roles.includes(role));
  if (missing.length > 0)
    throw new Failure(
      'policy_denied',
      `This approval is for the role ${missing.join(' and ')}, which you do not have.`,
    );
}

function unknown(id: string): Failure {
  return new Failure('invalid_request', `There is no approval '${id.slice(0, 80)}'.`, { status: 404 });
}

function view({ body: _, requested_at_ms, expires_at_ms, decided_at_ms, used_at_ms, ...rest }: Approval): ApprovalView {
  return {
    ...rest,
    requested_at: timeOf(requested_at_ms),
    expires_at: timeOf(expires_at_ms),
    ...(decided_at_ms === undefined ? {} : { decided_at: timeOf(decided_at_ms) }),
    ...(used_at_ms === undefined ? {} : { used_at: timeOf(used_at_ms) }),
  };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

async function reachable<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (thrown) {
    if (!(thrown instanceof ApprovalsUnavailable)) throw thrown;
    throw new Failure('state_unavailable', 'Approvals cannot be read now.', { retryAfterSeconds: 1, cause: thrown });
  }
}
