type Version = readonly [major: number, minor: number, patch: number];

const part = /^(<=|>=|<|>|=|\^|~)?\s*v?(\d+|[xX*])(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?(?:[-+][0-9A-Za-z.+-]*)?$/;

/** A test of versions, or undefined where the range is none: `1.2.3`, `1.x`, `^1.2`, `~1.2.3`, `>=1.0.0 <2.0.0`, `*`. */
export function versionRange(range: string): ((version: string) => boolean) | undefined {
  const parts = range.trim().split(/\s+/).map(comparator);
  const tests = parts.filter((one) => one !== undefined);
  if (tests.length !== parts.length || tests.length === 0) return undefined;
  return (version) => {
    const given = versionOf(version);
    return given !== undefined && tests.every((test) => test(given));
  };
}

function comparator(text: string): ((version: Version) => boolean) | undefined {
  const found = part.exec(text);
  if (found === null) return undefined;
  const [, operator = '', ...names] = found;
  const numbers = names.map((name) => (name === undefined || /^[xX*]$/.test(name) ? undefined : Number(name)));
  const [major, minor, patch] = numbers;
  const low: Version = [major ?? 0, minor ?? 0, patch ?? 0];
  const next = (): Version =>
    major === undefined
      ? [Number.POSITIVE_INFINITY, 0, 0]
      : minor === undefined
        ? [major + 1, 0, 0]
        : patch === undefined
          ? [major, minor + 1, 0]
          : [major, minor, patch + 1];
  const below = (end: Version) => (version: Version) => compare(version, low) >= 0 && compare(version, end) < 0;
  switch (operator) {
    case '<':
      return (version) => compare(version, low) < 0;
    case '<=':
      return (version) => compare(version, next()) < 0;
    case '>':
      return (version) => compare(version, next()) >= 0;
    case '>=':
      return (version) => compare(version, low) >= 0;
    case '^':
      if (major === undefined) return below(next());
      if (major > 0 || minor === undefined) return below([major + 1, 0, 0]);
      return below(minor > 0 || patch === undefined ? [0, minor + 1, 0] : [0, 0, patch + 1]);
    case '~':
      if (major === undefined || minor === undefined) return below(next());
      return below([major, minor + 1, 0]);
    default:
      return below(next());
  }
}

function versionOf(text: string): Version | undefined {
  const found = /^(\d+)\.(\d+)\.(\d+)/.exec(text);
  return found === null ? undefined : [Number(found[1]), Number(found[2]), Number(found[3])];
}

function compare(a: Version, b: Version): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}
