import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSource } from '../../src/config/document.ts';
import { Place } from './place.ts';

let place: Place;
beforeEach(() => {
  place = new Place();
});
afterEach(() => place.remove());

/** Each of so many keys holds the one before it, in a list. */
function chain(keys: number): string {
  const lines = Array.from({ length: keys }, (_, at) => `k${at}: &k${at} [${at === 0 ? '' : `*k${at - 1}`}]`);
  return lines.join('\n');
}

const deep = {
  'a list in a list in a list': '- '.repeat(20_000),
  'brackets in brackets': `a: ${'['.repeat(20_000)}${']'.repeat(20_000)}`,
  'mappings in mappings': Array.from({ length: 2000 }, (_, level) => `${' '.repeat(level)}a:\n`).join(''),
  'aliases of aliases': chain(100),
  'more aliases than anybody writes': chain(2_000),
  'an alias of itself': 'a: &a { b: *a }\n',
};

describe('a file that nests without end', () => {
  it.each(Object.entries(deep))('is a problem with a place, never the end of the process: %s', (_name, text) => {
    const { value, problems } = readSource('x.yaml', text);
    expect(value).toBeUndefined();
    expect(problems).not.toEqual([]);
    expect(problems[0]).toMatchObject({ file: 'x.yaml', line: expect.any(Number), column: expect.any(Number) });
  });

  it('is refused as configuration and as provider, with the file that it is', async () => {
    place.write('providers/deep.yaml', `models: ${deep['brackets in brackets'].slice(3)}`);
    expect((await place.load()).problems).toMatchObject([
      { file: 'providers/deep.yaml', line: 1, message: 'nested deeper than 64 levels' },
    ]);
    place.write('gateway.yaml', deep['a list in a list in a list']);
    expect((await place.load()).problems).toMatchObject([
      { file: 'gateway.yaml', line: 1, message: 'nested deeper than 64 levels' },
    ]);
  });

  it('is told from one that nests as far as it may', () => {
    const text = (levels: number) => `a: ${'['.repeat(levels)}1${']'.repeat(levels)}`;
    expect(readSource('x.yaml', text(63)).problems).toEqual([]);
    expect(readSource('x.yaml', text(64)).problems).toMatchObject([
      { line: 1, message: 'nested deeper than 64 levels' },
    ]);
  });
});
