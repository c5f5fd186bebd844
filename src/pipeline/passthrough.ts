import { Readable } from 'node:stream';
import { Failure, type Format } from '../exchange/index.ts';
import { accept } from './accept.ts';
import { held } from './admit.ts';
import { approvalFor, useApproval } from './approve.ts';
import { callLimits } from './call-limits.ts';
import { wouldHappen } from './dry-run.ts';
import { type Identified, identify } from './identify.ts';
import { labelsOf } from './labels.ts';
import { Pass } from './pass.ts';
import { wholeBody } from './pass-body.ts';
import { ownReply, PassEnd, type PassReply } from './pass-end.ts';
import { judgePass } from './pass-judge.ts';
import { type PassAdmitted, type PassProgress, passIntent } from './pass-record.ts';
import { entryFor, passName, passPrefix, readTarget } from './pass-route.ts';
import { throttleRates } from './throttle-rates.ts';
import type { Arrival, Outlet, Walk } from './walk.ts';

/** A call that wants to go through unread, as a surface hands it in. */
export interface PassArrival extends Pick<Arrival, 'headers' | 'ip'> {
  readonly method: string;
  /** Path and query as they stood on the request line. */
  readonly target: string;
  /** Its body, unread; undefined where there is none. */
  readonly body: Readable | undefined;
  /** Failures are told in it. */
  readonly format: Format;
}

/** Let in, or answered already: recorded, and to be written as it is. */
export type Entered = { readonly pass: Pass } | { readonly reply: PassReply };

/** The route's pattern, the same for every provider: records and metrics name the provider beside it. */
export const passRoute = `${passPrefix}/{provider}/*`;

/**
 * The walk of a call whose bytes nobody reads: accept, identify, decide on what is known without reading, ask for
 * an approval where one is needed, reserve what its entry says, begin the record. A Pass sends it, settles it and ends the record. Never rejects.
 */
export async function enter(walk: Walk, arrival: PassArrival, outlet: Pick<Outlet, 'onGone'>): Promise<Entered> {
  const { method, target, format, headers, ip } = arrival;
  const accepted = accept(walk, { route: passRoute, format, headers, ip, body: Buffer.alloc(0) }, outlet);
  const progress: PassProgress = { accepted, method, call: { status: 0, streamed: false, bytesOut: 0 } };
  const end = new PassEnd(walk, progress);
  try {
    const judged = await judge(walk, progress, target);
    if (headers['x-llm-dry-run'] !== undefined) return { reply: await dryRun(judged, end) };
    const approved = await approve(walk, judged, progress, arrival.body);
    const admitted = await admit(walk, judged);
    progress.admitted = admitted;
    await walk.trail.begin(passIntent(admitted));
    // Only now: where the intent cannot be written the call is not made, and the approval is for another try.
    if (progress.approval !== undefined) await useApproval(walk, progress.approval, judged.verdict.request);
    end.keep();
    return { pass: new Pass(walk, admitted, progress, end, approved ?? arrival.body) };
  } catch (thrown) {
    return { reply: await end.refusal(thrown) };
  }
}

interface Judged extends Omit<PassAdmitted, 'hold'> {
  readonly reserve_nusd: number;
}

/** Who asks for what, and whether it may go. Throws 401, 400, 404, 403. */
async function judge(walk: Walk, progress: PassProgress, line: string): Promise<Judged> {
  const { method, accepted } = progress;
  const identified = await identify(walk, accepted);
  progress.identified = identified;
  const target = readTarget(line);
  withoutCredentials(identified, line);
  progress.target = target;
  const { catalog, passthrough } = identified.pinned;
  const { reserve_nusd } = entryFor(passthrough, method, target);
  const provider = catalog.providers.find(({ id }) => id === target.provider);
  if (provider === undefined) throw new Failure('internal_error', 'A listed provider is not there.');
  mayPass(identified, provider.id);
  progress.provider = provider;
  const verdict = await judgePass(walk, identified, provider, reserve_nusd);
  progress.verdict = verdict;
  return { ...identified, method, target, provider, verdict, reserve_nusd };
}

/**
 * A call that somebody has to approve: its body is read whole, since what is approved is these bytes. Resolves to the body to
 * send instead. Throws `approval_required`, and 413 for a body that is too long.
 */
async function approve(
  walk: Walk,
  judged: Judged,
  progress: PassProgress,
  body: Readable | undefined,
): Promise<Readable | undefined> {
  const { verdict, method, target, arrival, provider, pinned, abort } = judged;
  if (verdict.request.decision !== 'approve') return undefined;
  const bytes = body === undefined ? Buffer.alloc(0) : await wholeBody(body, pinned.limits.body_bytes_max, abort);
  const approval = await approvalFor(walk, judged, {
    decision: verdict.request,
    model: passName(provider.id),
    bytes: [arrival.route, `${method} ${provider.id} ${target.path}${target.query}`, bytes],
  });
  progress.approval = approval.id;
  return body === undefined ? undefined : Readable.from([bytes]);
}

/** One atomic reserve of the entry's amount over every budget and rate. Throws 429, 503. */
async function admit(walk: Walk, judged: Judged): Promise<PassAdmitted> {
  const { id, identity, pinned, verdict, reserve_nusd } = judged;
  const { caller } = identity;
  // Nobody counted tokens: what the provider tells of them is settled.
  const worst = { amount: { nusd: reserve_nusd, tokens: 0 } };
  // Nobody read which model it is for: limits of models know the way itself.
  const name = passName(judged.provider.id);
  const throttles = throttleRates(judged, verdict.request, { model: name });
  const limits = callLimits(judged, [name], verdict.wanted, throttles);
  const hold = await held(walk, judged, limits, worst, () =>
    walk.ledger.reserve({
      id,
      organization: caller.organization.id,
      amount: worst.amount,
      budgets: limits.budgets,
      rates: limits.rates,
      lease_ms: pinned.limits.lease_ms,
      owner: walk.owner,
      labels: labelsOf(caller, judged.provider.id, undefined),
    }),
  );
  return { ...judged, hold };
}

/** A caller whose models are limited might ask for any other this way, so its list has to name the way itself. */
function mayPass({ identity }: Identified, provider: string): void {
  const name = passName(provider);
  if (identity.mayUse(name)) return;
  throw new Failure(
    'policy_denied',
    `Calls that go through unread may ask for any model: this key's models do not name '${name}'.`,
  );
}

const credentialNames = ['authorization', 'x-api-key', 'x-goog-api-key'];

/** What opens the gateway does not leave it, not in an address either. Throws `invalid_request`. */
function withoutCredentials({ arrival }: Identified, line: string): void {
  for (const name of credentialNames) {
    const value = arrival.headers[name];
    const shown = typeof value === 'string' ? value.replace(/^bearer +/i, '').trim() : '';
    if (shown !== '' && line.includes(shown)) {
      throw new Failure('invalid_request', 'A key does not belong in an address: send it in its header alone.');
    }
  }
}

/** `x-llm-dry-run`: decided on what is known, without reserving or asking the provider. */
async function dryRun(judged: Judged, end: PassEnd): Promise<PassReply> {
  const { verdict, provider, reserve_nusd } = judged;
  const { tail, headers } = wouldHappen(judged, {
    decision: verdict.request,
    provider: provider.id,
    model: undefined,
    cost_usd: reserve_nusd / 1e9,
    substitutions: [],
  });
  await end.end('complete', undefined, 200);
  return ownReply(200, headers, tail);
}
