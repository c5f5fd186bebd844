import { randomBytes } from 'node:crypto';
import { Failure } from '../exchange/index.ts';
import { Abort } from '../providers/index.ts';
import type { Arrival, Outlet, Walk } from './walk.ts';

/** A request let in: it has an id, a start and a way to be called off. */
export interface Accepted {
  /** Our own id, unique; never the client's. */
  readonly id: string;
  /** What the client calls it (`x-request-id`), or our id; echoed. */
  readonly requestId: string;
  readonly arrival: Arrival;
  readonly at_ms: number;
  readonly started: number;
  /** Calls the exchange off, at the provider too. */
  readonly abort: Abort;
}

/** The reason of an exchange whose client went away: nobody is left to be told of it. */
export const clientGone = new Failure('internal_error', 'The client went away.');

const requestIdForm = /^[\x21-\x7e]{1,128}$/;

const random_bytes = 16;
const id_characters = 'ex_'.length + 2 * random_bytes;
const drawn = 256;
/** Ids that nobody has yet, one after the other. */
const ids = Buffer.alloc(drawn * id_characters);
let used = ids.length;

/** `ex_` and 128 random bits in hex, drawn for many calls at once and spelled out, since text put together is copied later. */
function newId(): string {
  if (used === ids.length) {
    const hex = randomBytes(drawn * random_bytes).toString('hex');
    for (let at = 0; at < drawn; at += 1)
      ids.write(`ex_${hex.slice(at * 2 * random_bytes, (at + 1) * 2 * random_bytes)}`, at * id_characters, 'latin1');
    used = 0;
  }
  used += id_characters;
  return ids.toString('latin1', used - id_characters, used);
}

/** Gives the exchange its id and its one abort signal. An odd `x-request-id` is replaced, not refused. */
export function accept(walk: Walk, arrival: Arrival, outlet: Pick<Outlet, 'onGone'>): Accepted {
  const id = newId();
  const asked = arrival.headers['x-request-id'];
  const requestId = typeof asked === 'string' && requestIdForm.test(asked) ? asked : id;
  const abort = new Abort();
  outlet.onGone(() => abort.abort(clientGone));
  const accepted: Accepted & Unfilled = {
    id,
    requestId,
    arrival,
    at_ms: walk.clock(),
    started: walk.monotonic(),
    abort,
    identity: undefined,
    pinned: undefined,
    view: undefined,
    candidates: undefined,
    facts: undefined,
    wanted: undefined,
    found: undefined,
    railOutcomes: undefined,
    scanned: undefined,
    cached: undefined,
    ofModels: undefined,
    verdict: undefined,
    substitutions: undefined,
    approved: undefined,
    approval: undefined,
    hold: undefined,
  };
  return accepted;
}

/**
 * What later stages fill in. The fields are there from the start, so that every exchange is one object of one shape:
 * copying it at each stage cost more than the stages themselves (20 KB a call).
 */
type Unfilled = Record<
  | 'identity'
  | 'pinned'
  | 'view'
  | 'candidates'
  | 'facts'
  | 'wanted'
  | 'found'
  | 'railOutcomes'
  | 'scanned'
  | 'cached'
  | 'ofModels'
  | 'verdict'
  | 'substitutions'
  | 'approved'
  | 'approval'
  | 'hold',
  undefined
>;

/**
 * The exchange as the next stage sees it: the same one, richer. Only stages call it, and each sets what it found out, every
 * field of it: to have them copied from another object cost four times as much.
 */
export function richer<Next extends Accepted>(exchange: Accepted): { -readonly [Field in keyof Next]: Next[Field] } {
  return exchange as { -readonly [Field in keyof Next]: Next[Field] };
}

/** The size limit, for surfaces that learn of the size before the body. Throws `request_too_large` (413). */
export function checkSize(bytes: number, body_bytes_max: number): void {
  if (bytes > body_bytes_max) {
    throw new Failure('request_too_large', `The request body has more than ${body_bytes_max} bytes.`, {
      extra: { body_bytes_max },
    });
  }
}
