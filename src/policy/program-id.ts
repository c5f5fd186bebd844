import { contentHash } from './canonical.ts';

/** Hashes of a set of policies, in boxes by their first two digits: a policy that changes has two boxes hashed again. */
export interface SetHash {
  readonly boxes: readonly Box[];
}

interface Box {
  readonly hashes: readonly string[];
  readonly hash: string;
}

const emptyBox: Box = { hashes: [], hash: '' };

export const emptySetHash: SetHash = { boxes: Array.from({ length: 256 }, () => emptyBox) };

/** The hash of a set with some policies' hashes taken out and some put in. */
export function changeSetHash(set: SetHash, removed: readonly string[], added: readonly string[]): SetHash {
  const touched = new Map<number, string[]>();
  const box = (hash: string): string[] => {
    const at = Number.parseInt(hash.slice('sha256:'.length, 'sha256:'.length + 2), 16);
    let hashes = touched.get(at);
    if (hashes === undefined) {
      hashes = [...(set.boxes[at] ?? emptyBox).hashes];
      touched.set(at, hashes);
    }
    return hashes;
  };
  for (const hash of removed) {
    const hashes = box(hash);
    const at = hashes.indexOf(hash);
    if (at >= 0) hashes.splice(at, 1);
  }
  for (const hash of added) box(hash).push(hash);
  const boxes = [...set.boxes];
  for (const [at, hashes] of touched) {
    hashes.sort();
    boxes[at] = hashes.length === 0 ? emptyBox : { hashes, hash: contentHash(hashes.join(' ')) };
  }
  return { boxes };
}

/** The id of a program: the same for the same policies and the same default, in whatever order and steps they came. */
export function programId({ boxes }: SetHash, fallback: 'allow' | 'deny'): string {
  return contentHash(`${fallback} ${boxes.map(({ hash }) => hash).join(' ')}`);
}
