import { createHash } from 'node:crypto';
import {
  closeSync,
  ftruncateSync,
  linkSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { lives, type Owner, ownerOf, ownWords } from './lock-owner.ts';

export interface Lock {
  /**
   * Whether this is still ours, for who is about to write. Its file is looked at where that was not done for two beats: a
   * process that stood still goes on in the middle of a step, before any timer.
   */
  held(): boolean;
  release(): void;
}

const beat_ms = 5_000;
const tries_max = 100;
const pause_ms = 5;

/**
 * Makes this process the owner of what `file` stands for. Throws where another one is alive; takes over from a dead
 * one, which of several that find it exactly one does. An owner on another host cannot be asked, so it counts as alive
 * while it touches the file; so does one whose words only another version of this program knows, and while the process
 * they name may be the one that wrote them. `lost` is called, once, where one took over while this process stood still for
 * so long that it looked dead: what the file stands for is that one's from then on.
 */
export function lock(file: string, lost: () => void = () => {}): Lock {
  const held = tried(file, tries_max, lost);
  if ('release' in held) return held;
  throw new Error(`${file}: ${whose(held)} holds this; only one process may open it at a time`);
}

function whose({ owner, words }: Taken): string {
  if (owner !== undefined) return `process ${owner.pid} on ${owner.host}`;
  if (words === undefined) return 'another process';
  return `a process of another version (${JSON.stringify(words.slice(0, 60))}; remove the file where there is none)`;
}

/** Somebody else has it. `words`: what they left, where this version cannot read it. */
interface Taken {
  readonly owner: Owner | undefined;
  readonly words?: string;
}

/** The same; undefined where another one is alive, or about to take over. */
export function tryLock(file: string): Lock | undefined {
  const held = tried(file, 1, () => {});
  return 'release' in held ? held : undefined;
}

function tried(file: string, tries_max: number, lost: () => void): Lock | Taken {
  const text = ownWords();
  for (let tries = 1; ; tries++) {
    const held = read(file);
    if (held !== undefined && lives(file, held)) {
      const owner = ownerOf(held);
      return owner === undefined ? { owner, words: held } : { owner };
    }
    if (held === undefined ? created(file, text) : claimed(file, held, text, () => takenOver(file, held, text))) break;
    if (tries === tries_max) return { owner: undefined };
    // Whoever was faster needs a moment.
    Atomics.wait(nobody, 0, 0, pause_ms);
  }
  let looked_ms = Date.now();
  let ours = true;
  const look = (): void => {
    const words = read(file);
    if (words !== undefined && words !== text) {
      clearInterval(timer);
      ours = false;
      lost();
      return;
    }
    looked_ms = Date.now();
    try {
      utimesSync(file, new Date(), new Date());
    } catch {
      // The file is gone with its directory: nothing is left to guard.
    }
  };
  const timer = setInterval(look, beat_ms).unref();
  return {
    held() {
      // A clock may be put back as well; one that goes on while a machine sleeps is needed.
      if (ours && Math.abs(Date.now() - looked_ms) > 2 * beat_ms) look();
      return ours;
    },
    release() {
      clearInterval(timer);
      ours = false;
      if (read(file) === text) rmSync(file, { force: true });
    },
  };
}

/** Never woken: a sleep. */
const nobody = new Int32Array(new SharedArrayBuffer(4));

function created(file: string, text: string): boolean {
  // A file that appears with its content: nobody can read a lock that does not say whose it is.
  const draft = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  try {
    writeFileSync(draft, text, { mode: 0o600 });
    return linked(draft, file);
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * Runs a step that changes what a dead owner left at `file`, as the only one that does: of those who found the same words
 * there one makes the claim, a link whose name says which words and whose target says who. A claim that its maker died
 * over is taken away in the same manner. False where another one has it, or the step says so.
 */
function claimed(file: string, found: string, mine: string, step: () => boolean): boolean {
  const claim = `${file}.${createHash('sha256').update(found).digest('hex').slice(0, 8)}`;
  try {
    symlinkSync(mine, claim);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const by = readClaim(claim);
    if (by === undefined || lives(claim, by)) return false;
    claimed(claim, by, mine, () => {
      if (readClaim(claim) === by) rmSync(claim, { force: true });
      return true;
    });
    return false;
  }
  try {
    return step();
  } finally {
    rmSync(claim, { force: true });
  }
}

function readClaim(claim: string): string | undefined {
  try {
    return readlinkSync(claim);
  } catch {
    return undefined;
  }
}

/**
 * Makes a dead owner's file ours, where it still is that one's: nobody else takes it away while the claim is held. It is
 * written over where it lies, which a full disk allows.
 */
function takenOver(file: string, stale: string, text: string): boolean {
  // It may have come back to life since it was found dead.
  if (read(file) !== stale || lives(file, stale)) return false;
  const aside = `${file}.${process.pid}.stale`;
  renameSync(file, aside);
  try {
    writeOver(aside, text);
    // Where one came that found nothing, it is that one's.
    return linked(aside, file);
  } finally {
    rmSync(aside, { force: true });
  }
}

function writeOver(path: string, text: string): void {
  const file = openSync(path, 'r+');
  try {
    ftruncateSync(file, writeSync(file, text));
  } finally {
    closeSync(file);
  }
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
