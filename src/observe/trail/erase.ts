import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { openKeys } from './keys.ts';
import { eraseIn } from './subject-file.ts';
import { subjectHash } from './subjects.ts';

/**
 * Forgets a user's keys in a trail's data directory: their id, texts and personal facts can no longer be read, in any
 * sink or copy. Says whether there was one. A running gateway notices within a minute; what it sealed meanwhile is
 * unreadable as well. The chain still verifies.
 */
export function eraseUser(dataDir: string, user: string): boolean {
  const keys = openKeys(dataDir);
  const of = subjectHash(`user ${user}`, keys.textHash);
  const files = readdirSync(keys.dir).filter((file) => /^subjects-.*\.jsonl$/.test(file));
  return files.map((file) => eraseIn(join(keys.dir, file), of)).includes(true);
}
