/** FNV-1a over the units of a text, from a hash to go on from; a table of open addressing wants no more of a hash. */
export function fnv(from: number, text: string): number {
  let hash = from;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}
