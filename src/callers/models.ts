/** Whether a model's name may be asked for. */
export type ModelRule = (model: string) => boolean;

/** Names a caller remembers: a client can ask for endless names, so the answers kept are bounded. */
const rememberedMax = 1000;

/** True for names that fit one of the patterns; `*` stands for any run of characters. Linear in the name's length. */
export function modelRule(patterns: readonly string[]): ModelRule {
  if (patterns.includes('*')) return () => true;
  const exact = new Set(patterns.filter((pattern) => !pattern.includes('*')));
  const globs = patterns.filter((pattern) => pattern.includes('*')).map(glob);
  const remembered = new Map<string, boolean>();
  return (model) => {
    if (exact.has(model)) return true;
    if (globs.length === 0) return false;
    const known = remembered.get(model);
    if (known !== undefined) return known;
    const answer = globs.some((matches) => matches(model));
    if (remembered.size < rememberedMax) remembered.set(model, answer);
    return answer;
  };
}

/** Pieces between stars are looked for one after the other, leftmost first: no backtracking. */
function glob(pattern: string): ModelRule {
  const pieces = pattern.split('*');
  const head = pieces[0] ?? '';
  const tail = pieces[pieces.length - 1] ?? '';
  const middle = pieces.slice(1, -1);
  return (model) => {
    if (model.length < head.length + tail.length || !model.startsWith(head) || !model.endsWith(tail)) return false;
    let at = head.length;
    const end = model.length - tail.length;
    for (const piece of middle) {
      const found = model.indexOf(piece, at);
      if (found < 0 || found + piece.length > end) return false;
      at = found + piece.length;
    }
    return true;
  };
}
