import { createHash } from 'node:crypto';

/** Who asks for an approval, and for exactly what: another caller or another body is another approval. */
export interface ApprovalWish {
  readonly organization: string;
  readonly team: string;
  readonly key: string;
  readonly user?: string;
  readonly model: string;
  /** `policy/rule` of each rule that asks. */
  readonly rules: readonly string[];
  /** Roles whose word is needed; somebody who has all of them gives it. */
  readonly roles: readonly string[];
  readonly reason: string;
  /** A keyed hash of the request's bytes: what is approved is this body alone. */
  readonly body: string;
  /** How long it can be given and used. */
  readonly ttl_ms: number;
}

export type ApprovalState = 'pending' | 'approved' | 'rejected' | 'used' | 'expired';

export interface Approval extends Omit<ApprovalWish, 'ttl_ms'> {
  readonly id: string;
  readonly state: ApprovalState;
  readonly requested_at_ms: number;
  readonly expires_at_ms: number;
  readonly decided_at_ms?: number;
  readonly decided_by?: string;
  readonly note?: string;
  readonly used_at_ms?: number;
}

/** What is written about an approval: three notes, each of them once. */
export const approvalNotes = ['asked', 'decided', 'used'] as const;
export type ApprovalNote = (typeof approvalNotes)[number];

/** Where notes are kept. A note is written once, whoever else writes it at the same moment. */
export interface ApprovalShelf {
  /** False where the note was there already. Rejects where the shelf cannot be reached. */
  put(id: string, note: ApprovalNote, text: string, expires_at_ms: number): Promise<boolean>;
  /** What is written about an id; empty where nothing is. */
  read(id: string): Promise<Partial<Record<ApprovalNote, string>>>;
  /** Ids that are not over for long. */
  ids(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** The shelf cannot be reached: nothing that needs an approval passes. */
export class ApprovalsUnavailable extends Error {
  override readonly name = 'ApprovalsUnavailable';
}

/** Approvals of calls by people. Every verb rejects with `ApprovalsUnavailable` where they cannot be reached. */
export interface Approvals {
  /** The approval for this call: the one that is open, or a new one. One that was rejected stands until it expires. */
  request(wish: ApprovalWish): Promise<Approval>;
  get(id: string): Promise<Approval | undefined>;
  /** Newest first. */
  list(): Promise<readonly Approval[]>;
  /** Says yes or no, once: undefined where there is no such approval, false where it is not pending any more. */
  decide(
    id: string,
    word: { readonly approved: boolean; readonly by: string; readonly note?: string },
  ): Promise<Approval | undefined | false>;
  /** Uses an approval, once: false where somebody did, or it is not approved. */
  use(id: string): Promise<boolean>;
  close(): Promise<void>;
}

/** Uses of one approval's wish that are told apart at the same time: a caller who asks more often has to wait. */
const asked_max = 1000;

/** Approvals over a shelf; `now` in Unix ms. */
export function approvalsOn(shelf: ApprovalShelf, now: () => number): Approvals {
  const read = async (id: string): Promise<Approval | undefined> => {
    const { asked, decided, used } = await shelf.read(id);
    if (asked === undefined) return undefined;
    const first = JSON.parse(asked) as Omit<Approval, 'state' | 'id'>;
    const word = decided === undefined ? undefined : (JSON.parse(decided) as Word);
    const state = stateOf(first.expires_at_ms <= now(), word, used !== undefined);
    return {
      id,
      ...first,
      state,
      ...(word === undefined ? {} : { decided_at_ms: word.at_ms, decided_by: word.by }),
      ...(word?.note === undefined ? {} : { note: word.note }),
      ...(used === undefined ? {} : { used_at_ms: (JSON.parse(used) as { at_ms: number }).at_ms }),
    };
  };
  return {
    async request({ ttl_ms, ...wish }) {
      const at_ms = now();
      const text = JSON.stringify({ ...wish, requested_at_ms: at_ms, expires_at_ms: at_ms + ttl_ms });
      for (let count = 1; count <= asked_max; count += 1) {
        const id = `${idOf(wish)}-${count}`;
        const known = await read(id);
        if (known !== undefined && known.state !== 'used' && known.state !== 'expired') return known;
        if (known !== undefined) continue;
        await shelf.put(id, 'asked', text, at_ms + ttl_ms);
        const made = await read(id);
        if (made !== undefined) return made;
      }
      throw new ApprovalsUnavailable('too many approvals of one call');
    },
    get: read,
    async list() {
      const found = await Promise.all((await shelf.ids()).map(read));
      return found
        .filter((one) => one !== undefined)
        .sort((a, b) => b.requested_at_ms - a.requested_at_ms || (a.id < b.id ? -1 : 1));
    },
    async decide(id, { approved, by, note }) {
      const known = await read(id);
      if (known === undefined) return undefined;
      if (known.state !== 'pending') return false;
      const word: Word = { approved, by, at_ms: now(), ...(note === undefined ? {} : { note }) };
      return (await shelf.put(id, 'decided', JSON.stringify(word), known.expires_at_ms)) ? await read(id) : false;
    },
    async use(id) {
      const known = await read(id);
      if (known?.state !== 'approved') return false;
      return shelf.put(id, 'used', JSON.stringify({ at_ms: now() }), known.expires_at_ms);
    },
    close: () => shelf.close(),
  };
}

interface Word {
  readonly approved: boolean;
  readonly by: string;
  readonly at_ms: number;
  readonly note?: string;
}

function stateOf(over: boolean, word: Word | undefined, used: boolean): ApprovalState {
  if (used) return 'used';
  if (over) return 'expired';
  return word === undefined ? 'pending' : word.approved ? 'approved' : 'rejected';
}

/** The same caller with the same body under the same rules asks for the same approval. */
function idOf({ organization, key, user = '', rules, body }: Omit<ApprovalWish, 'ttl_ms'>): string {
  const parts = JSON.stringify([organization, key, user, [...rules].sort(), body]);
  return `apr_${createHash('sha256').update(parts).digest('hex').slice(0, 32)}`;
}
