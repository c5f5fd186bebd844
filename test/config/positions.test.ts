import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { readSource } from '../../src/config/document.ts';

const key = fc.stringMatching(/^[a-z][a-z_]{0,6}$/);
const tree = fc.letrec((tie) => ({
  node: fc.oneof({ maxDepth: 4 }, fc.integer({ min: 0, max: 99 }), tie('map'), tie('list')),
  map: fc.dictionary(key, tie('node'), { maxKeys: 4 }),
  list: fc.array(tie('node'), { maxLength: 3 }),
})).map;

/** Every path to a value of a mapping, with the key that names it. */
function* keyPaths(value: unknown, path: (string | number)[] = []): Generator<(string | number)[]> {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, item] of Object.entries(value)) {
    const here = [...path, Array.isArray(value) ? Number(name) : name];
    if (!Array.isArray(value)) yield here;
    yield* keyPaths(item, here);
  }
}

const at = (text: string, line: number, column: number) => text.split('\n')[line - 1]!.slice(column - 1);

describe('a position', () => {
  it('is where the key stands in the text, for every key of every document, in block and in flow style', () => {
    fc.assert(
      fc.property(tree, fc.boolean(), fc.integer({ min: 0, max: 3 }), (value, flow, comments) => {
        const text = `${'# a comment\n'.repeat(comments)}${stringify(value, flow ? { collectionStyle: 'flow' } : {})}`;
        const source = readSource('x.yaml', text);
        expect(source.value).toEqual(value);
        for (const path of keyPaths(value)) {
          const { line, column } = source.problem(path, 'here', 'key');
          const name = String(path.at(-1));
          // YAML quotes names that would read as something else (`null`, `y`).
          expect(at(text, line!, column!).replace(/^["']/, '').startsWith(name)).toBe(true);
        }
      }),
    );
  });

  it('is where the value stands, and of what is not in the text the nearest that is', () => {
    const source = readSource('x.yaml', 'a:\n  b: [1, {c: 2}]\n');
    expect(source.problem(['a', 'b', 1, 'c'], 'm')).toMatchObject({ line: 2, column: 14, key: 'a.b.1.c' });
    expect(source.problem(['a', 'b', 1, 'd'], 'm')).toMatchObject({ line: 2, column: 10 });
    expect(source.problem(['a', 'x', 'y'], 'm')).toMatchObject({ line: 2, column: 3 });
    expect(source.problem([], 'm')).toMatchObject({ line: 1, column: 1 });
    expect(readSource('x.yaml', '').problem(['a'], 'm')).toEqual({ file: 'x.yaml', key: 'a', message: 'm' });
  });

  it('follows aliases to where the text stands', () => {
    const source = readSource('x.yaml', 'base: &b { port: 1 }\nother: *b\n');
    expect(source.problem(['other', 'port'], 'm')).toMatchObject({ line: 1, column: 18 });
  });
});
