/**
 * A part of an expression that repeats without a bound what is nearly anything: `.*`, `[^x]+`, `\S+`. Undefined where
 * every such part is bounded. What repeats a narrow class (`\d+`, `[A-Za-z0-9]+`) ends by itself.
 */
export function unboundedIn(source: string): string | undefined {
  const wide =
    /(?:\.|\\[SDW]|\[\^(?:\\.|[^\]\\])*\]|\[(?:[^\]\\]|\\.)*(?:\\s\\S|\\S\\s|\\d\\D|\\w\\W)(?:[^\]\\]|\\.)*\])(?:[*+]|\{\d+,\})/g;
  const plain = source.replaceAll(/\\[^sSdDwW]/g, (escaped) => '_'.repeat(escaped.length));
  const found = wide.exec(plain);
  return found === null ? undefined : source.slice(found.index, found.index + found[0].length);
}
