import { Lines } from '../../stores/index.ts';
import type { AuditRecord } from '../record.ts';
import { withoutPerson, withoutTexts } from './compose.ts';
import { fits, type QueryFilter } from './query.ts';
import { writeRecord } from './record-json.ts';

/** One record, and in its place a later one. */
interface Place {
  /** Its JSON, up to `length`, without the personal part of its caller. */
  bytes: Buffer;
  length: number;
  user: string | undefined;
  email: string | undefined;
  ip: string | undefined;
}

/** Memory of a place is used again unless this many times too large for what comes into it. */
const spare_factor_max = 4;

/**
 * The last records of this process, without texts. They are bytes outside the heap: as objects each of them is garbage
 * that lived for thousands of calls, which cost a call more than all the rest of its record.
 */
export class Recent {
  readonly #kept: number;
  readonly #hash: (text: string) => string;
  readonly #lines = new Lines();
  readonly #places: Place[] = [];
  #next = 0;

  /** Keeps so many; texts are told by what `hash` makes of them. */
  constructor(kept: number, hash: (text: string) => string) {
    this.#kept = kept;
    this.#hash = hash;
  }

  /** Takes the place of the oldest. */
  add(record: AuditRecord): void {
    if (this.#kept === 0) return;
    const place = this.#places[this.#next] ?? emptyPlace();
    this.#places[this.#next] = place;
    this.#next = (this.#next + 1) % this.#kept;
    this.#put(place, withoutTexts(record, this.#hash));
  }

  #put(place: Place, record: AuditRecord): void {
    const lines = this.#lines;
    lines.clear();
    writeRecord(lines, record);
    const { bytes, size } = lines;
    if (size > place.bytes.length || size * spare_factor_max < place.bytes.length) {
      place.bytes = Buffer.allocUnsafeSlow(size + (size >> 2));
    }
    bytes.copy(place.bytes, 0, 0, size);
    place.length = size;
    const { user, email, ip } = record.caller;
    place.user = user;
    place.email = email;
    place.ip = ip;
  }

  /** Those that fit, newest first. */
  find(filter: QueryFilter): AuditRecord[] {
    const found: AuditRecord[] = [];
    const { user, limit = Number.POSITIVE_INFINITY } = filter;
    for (let back = 1; back <= this.#places.length && found.length < limit; back += 1) {
      const place = this.#places.at(this.#next - back);
      if (place === undefined || (user !== undefined && place.user !== user)) continue;
      const record = recordIn(place);
      if (fits(record, filter)) found.push(record);
    }
    return found;
  }

  /** Forgets who these users were, and what was known of them. */
  erase(meant: (user: string) => boolean): void {
    for (const place of this.#places) {
      if (place.user === undefined || !meant(place.user)) continue;
      this.#put(place, withoutPerson(recordIn(place)));
      // It is shorter now: nothing of what stood there before is left behind it.
      place.bytes.fill(0, place.length);
    }
  }
}

function emptyPlace(): Place {
  return { bytes: Buffer.alloc(0), length: 0, user: undefined, email: undefined, ip: undefined };
}

function recordIn({ bytes, length, user, email, ip }: Place): AuditRecord {
  const open = JSON.parse(bytes.toString('utf8', 0, length)) as AuditRecord;
  return { ...open, caller: { ...open.caller, user, email, ip } };
}
