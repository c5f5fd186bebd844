import type { CST } from 'yaml';

/**
 * The offset at which a stream of YAML nests deeper than `depth_max`, or undefined. To be asked of the tokens before
 * anything is composed of them: composing recurses, and a stack that runs out inside a regular expression ends the
 * process. Walks with a list of its own, since that is what it is there to spare others.
 */
export function yamlTooDeep(tokens: readonly CST.Token[], depth_max: number): number | undefined {
  for (const token of tokens) {
    const offset = deepIn(token, depth_max);
    if (offset !== undefined) return offset;
  }
  return undefined;
}

function deepIn(document: CST.Token, depth_max: number): number | undefined {
  const open: { readonly token: CST.Token; readonly depth: number }[] = [{ token: document, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { token, depth } = next;
    // A document is no level, nor is what a document holds.
    if (depth > depth_max + 1) return token.offset;
    if (token.type === 'document' && token.value !== undefined) open.push({ token: token.value, depth: depth + 1 });
    if (!('items' in token)) continue;
    for (const { key, value } of token.items) {
      if (key !== undefined && key !== null) open.push({ token: key, depth: depth + 1 });
      if (value !== undefined) open.push({ token: value, depth: depth + 1 });
    }
  }
  return undefined;
}
