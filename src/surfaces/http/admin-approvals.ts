import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Fields, fieldsOf, isText, queryOf, refused } from './admin-input.ts';

/** An approval as people see it; the hash of what it is for is not among it. */
export interface ApprovalView {
  readonly id: string;
  readonly state: string;
  readonly [field: string]: unknown;
}

/** Who asks about approvals. */
export interface Approver {
  /** What the trail calls them. */
  readonly by: string;
  /** Undefined for an admin, who may approve anything. */
  readonly caller:
    | {
        readonly organization: string;
        readonly key: string;
        readonly user: string | undefined;
        readonly roles: readonly string[];
      }
    | undefined;
}

/** What the admin listener may do with approvals. Refused changes are thrown as failures. */
export interface ApprovalPorts {
  /** Whoever has the scope `policy:approve`. Rejects with `invalid_api_key`, and with `policy_denied` without it. */
  approver(headers: FastifyRequest['raw']['headers']): Promise<Approver>;
  approvals(approver: Approver, state: string | undefined): Promise<readonly ApprovalView[]>;
  approval(approver: Approver, id: string): Promise<ApprovalView>;
  decideApproval(approver: Approver, id: string, approved: boolean, note: string | undefined): Promise<ApprovalView>;
}

const states = ['pending', 'approved', 'rejected', 'used', 'expired'] as const;
const config = { judgement: 'approver' } as const;
const noteFields: Fields = new Map([['note', { must: 'a string', is: isText }]]);

/** Approvals that calls wait for. `whoAsks` tells who a request is from, once it was let in. */
export function approvalRoutes(
  app: FastifyInstance,
  ports: ApprovalPorts,
  whoAsks: (request: FastifyRequest) => Promise<Approver>,
): void {
  app.get('/admin/v1/approvals', { config }, async (request) => {
    const { state } = queryOf(request, ['state']);
    if (state !== undefined && !states.some((one) => one === state))
      throw refused('state', `\`state\` must be one of ${states.join(', ')}.`);
    return { approvals: await ports.approvals(await whoAsks(request), state) };
  });
  app.get('/admin/v1/approvals/:id', { config }, async (request) =>
    ports.approval(await whoAsks(request), idOf(request)),
  );
  for (const [word, approved] of [
    ['approve', true],
    ['reject', false],
  ] as const) {
    app.post(`/admin/v1/approvals/:id/${word}`, { config }, async (request) => {
      const hasBody = request.body instanceof Buffer && request.body.length > 0;
      const { note } = hasBody ? fieldsOf(request, noteFields, 'an answer') : {};
      return ports.decideApproval(await whoAsks(request), idOf(request), approved, note as string | undefined);
    });
  }
}

function idOf(request: FastifyRequest): string {
  return (request.params as { id: string }).id;
}
