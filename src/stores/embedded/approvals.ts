import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ApprovalNote,
  type ApprovalShelf,
  type Approvals,
  ApprovalsUnavailable,
  approvalNotes,
  approvalsOn,
} from '../approvals.ts';

/** Told a while after they are over, and then swept. */
const kept_ms = 7 * 86_400_000;
const idForm = /^apr_[0-9a-f]{32}-\d{1,4}$/;

export interface FileApprovalsOptions {
  /** A directory of their own; made where it is missing. */
  readonly path: string;
  /** Unix ms; default the system's. */
  readonly now?: () => number;
}

/**
 * Approvals in files, one a note: `<id>.asked`, `.decided`, `.used`. A note is written aside, synced, and linked into its
 * place, which only one can do: several processes of a machine may share the directory, and a crash leaves a whole note or
 * none.
 */
export async function openFileApprovals({ path, now = Date.now }: FileApprovalsOptions): Promise<Approvals> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const shelf = new FileShelf(path, now);
  await shelf.sweep();
  return approvalsOn(shelf, now);
}

class FileShelf implements ApprovalShelf {
  readonly #path: string;
  readonly #now: () => number;
  #swept_ms: number;

  constructor(path: string, now: () => number) {
    this.#path = path;
    this.#now = now;
    this.#swept_ms = now();
  }

  async put(id: string, note: ApprovalNote, text: string): Promise<boolean> {
    if (this.#now() - this.#swept_ms > 3_600_000) await this.sweep();
    const aside = join(this.#path, `.${randomUUID()}`);
    try {
      const file = await open(aside, 'wx', 0o600);
      try {
        await writeFile(file, text);
        await file.sync();
      } finally {
        await file.close();
      }
      await link(aside, this.#place(id, note));
      return true;
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw new ApprovalsUnavailable(`${this.#path} cannot be written`, { cause: thrown });
    } finally {
      await rm(aside, { force: true });
    }
  }

  async read(id: string): Promise<Partial<Record<ApprovalNote, string>>> {
    if (!idForm.test(id)) return {};
    const texts = await Promise.all(approvalNotes.map((note) => this.#text(id, note)));
    return Object.fromEntries(approvalNotes.flatMap((note, i) => (texts[i] === undefined ? [] : [[note, texts[i]]])));
  }

  async ids(): Promise<readonly string[]> {
    const names = await this.#names();
    return names.flatMap((name) => (name.endsWith('.asked') ? [name.slice(0, -'.asked'.length)] : []));
  }

  /** Takes out what is over for long. */
  async sweep(): Promise<void> {
    this.#swept_ms = this.#now();
    for (const id of await this.ids()) {
      const asked = await this.#text(id, 'asked');
      if (asked === undefined) continue;
      const { expires_at_ms } = JSON.parse(asked) as { expires_at_ms: number };
      if (expires_at_ms + kept_ms > this.#now()) continue;
      for (const note of [...approvalNotes].reverse()) await rm(this.#place(id, note), { force: true });
    }
  }

  async close(): Promise<void> {}

  #place(id: string, note: ApprovalNote): string {
    return join(this.#path, `${id}.${note}`);
  }

  async #names(): Promise<readonly string[]> {
    try {
      return await readdir(this.#path);
    } catch (thrown) {
      throw new ApprovalsUnavailable(`${this.#path} cannot be read`, { cause: thrown });
    }
  }

  async #text(id: string, note: ApprovalNote): Promise<string | undefined> {
    try {
      return await readFile(this.#place(id, note), 'utf8');
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new ApprovalsUnavailable(`${this.#path} cannot be read`, { cause: thrown });
    }
  }
}
