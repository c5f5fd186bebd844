/**
 * A matcher for a glob: `*` any run of characters, `?` one. Linear: no backtracking beyond the last star.
 * With `paths` a single `*` stays within a path's segment and `**` crosses them.
 */
export function glob(pattern: string, paths = false): (text: string) => boolean {
  if (paths) return pathGlob(pattern);
  return (text) => wild(pattern, text);
}

function wild(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let mark = 0;
  while (t < text.length) {
    const c = pattern[p];
    if (c === '*') {
      star = p++;
      mark = t;
    } else if (c !== undefined && (c === '?' || c === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++mark;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

function pathGlob(pattern: string): (text: string) => boolean {
  const wanted = pattern.split('/');
  return (text) => segments(wanted, 0, text.split('/'), 0);
}

function segments(wanted: readonly string[], w: number, given: readonly string[], g: number): boolean {
  const head = wanted[w];
  if (head === undefined) return g === given.length;
  if (head === '**') {
    for (let skip = g; skip <= given.length; skip++) if (segments(wanted, w + 1, given, skip)) return true;
    return false;
  }
  const next = given[g];
  return next !== undefined && wild(head, next) && segments(wanted, w + 1, given, g + 1);
}
