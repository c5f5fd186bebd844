import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Failure } from '../../src/exchange/index.ts';
import {
  findSpans,
  type JsonEdit,
  parsePath,
  parseStrict,
  pathText,
  splice,
  unambiguous,
} from '../../src/formats/json/index.ts';
import { thrown } from './thrown.ts';

const value = fc.jsonValue({ maxDepth: 4 });
const spaced = fc
  .tuple(value, fc.constantFrom(undefined, 1, 2, '\t'))
  .map(([one, space]) => ({ value: one, bytes: Buffer.from(JSON.stringify(one, undefined, space)) }));

describe('strict reading of JSON', () => {
  test('gives what JSON.parse gives', () => {
    fc.assert(
      fc.property(spaced, ({ bytes }) => {
        expect(parseStrict(bytes)).toEqual(JSON.parse(bytes.toString()));
      }),
    );
  });

  test('refuses every document in which a key appears twice in one object', () => {
    const keys = fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(keys, fc.nat(), value, fc.boolean(), (names, pick, inner, nested) => {
        const twice = names[pick % names.length]!;
        const members = [...names, twice].map((name) => `${JSON.stringify(name)}:${JSON.stringify(inner)}`);
        const text = `{${members.join(', ')}}`;
        const bytes = Buffer.from(nested ? `{"a":[1,${text}]}` : text);
        expect(unambiguous(bytes).ok).toBe(false);
        expect(thrown(() => parseStrict(bytes)).message).toContain('twice');
      }),
    );
  });

  test.each([
    ['{"a":1,"a":2}', 'a key appears twice in one object, at byte 7 (line 1, column 8)', 'a'],
    ['{"m":[{"x":1,\n"\\u0078":2}]}', 'a key appears twice in one object, at byte 14 (line 2, column 1)', 'm[0].x'],
    ['{"a":1,}', 'a key in double quotes is missing at byte 7', undefined],
    ['{"a" 1}', 'a colon is missing at byte 5', 'a'],
    ['[1 2]', 'a comma or a closing bracket is missing at byte 3', undefined],
    ['{"a":01}', 'a value is missing or misspelled at byte 5', 'a'],
    ['{"a":"x', 'a string is not closed at byte 5', 'a'],
    ['{"a":"\u0001"}', 'a control character stands in a string at byte 6', 'a'],
    ['{"a":"\\x"}', 'an unknown escape stands in a string at byte 6', 'a'],
    ['{} {}', 'something follows the document at byte 3', undefined],
    ['', 'the document ends too early at byte 0', undefined],
    ['\ufeff{}', 'a value is missing or misspelled at byte 0', undefined],
  ])('tells where %j is at fault', (text, message, param) => {
    const failure = thrown(() => parseStrict(Buffer.from(text)));
    expect(failure.code).toBe('invalid_request');
    expect(failure.message).toContain(message);
    expect(failure.detail.param).toBe(param);
  });

  test('refuses invalid UTF-8 and names the byte', () => {
    const bytes = Buffer.concat([Buffer.from('{"a":"é'), Buffer.from([0xff]), Buffer.from('"}')]);
    expect(thrown(() => parseStrict(bytes)).message).toContain('not valid UTF-8 at byte 8');
    expect(thrown(() => parseStrict(Buffer.from([0x22, 0xc3, 0x22]))).message).toContain('UTF-8');
  });

  test('refuses nesting and size beyond the limit', () => {
    const deep = Buffer.from(`${'['.repeat(129)}${']'.repeat(129)}`);
    expect(thrown(() => parseStrict(deep)).message).toContain('nesting deeper than 128 levels at byte 128');
    expect(parseStrict(Buffer.from(`${'['.repeat(128)}${']'.repeat(128)}`))).toBeInstanceOf(Array);
    expect(thrown(() => parseStrict(Buffer.from('{"a":1}'), { bytesMax: 3 })).code).toBe('request_too_large');
    // Deeper than any call stack.
    expect(thrown(() => parseStrict(Buffer.from('['.repeat(1_000_000)))).code).toBe('invalid_request');
  });

  test('an unclosed document of any kind is refused', () => {
    fc.assert(
      fc.property(spaced, fc.nat(), ({ bytes }, at) => {
        const half = bytes.subarray(0, at % bytes.length);
        let accepted = true;
        try {
          JSON.parse(half.toString());
        } catch {
          accepted = false;
        }
        if (accepted) return;
        expect(thrown(() => parseStrict(half))).toBeInstanceOf(Failure);
      }),
    );
  });
});

/** Every path of a value, the root included. */
function paths(of: unknown, at: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (Array.isArray(of)) return [at, ...of.flatMap((item, index) => paths(item, [...at, index]))];
  if (typeof of === 'object' && of !== null) {
    return [at, ...Object.entries(of).flatMap(([key, item]) => paths(item, [...at, key]))];
  }
  return [at];
}

function at(of: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((inner, step) => (inner as Record<string | number, unknown>)[step], of);
}

describe('the JSON scanner', () => {
  test('finds every value where it stands', () => {
    fc.assert(
      fc.property(spaced, ({ bytes }) => {
        const parsed: unknown = JSON.parse(bytes.toString());
        const all = paths(parsed);
        for (const [index, span] of findSpans(bytes, all).entries()) {
          expect(JSON.parse(bytes.toString('utf8', span!.start, span!.end))).toEqual(at(parsed, all[index]!));
        }
      }),
    );
  });

  test('ends every string where it ends, however long it is and whatever is escaped in it', () => {
    const part = fc.oneof(
      fc.constantFrom('\\', '"', '\\"', '\n', 'é', ''),
      fc.integer({ min: 1, max: 20 }).map((length) => 'x'.repeat(length)),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const bytes = Buffer.from(`{"a":${JSON.stringify(parts.join(''))},"b":1}`);
        const [text, next] = findSpans(bytes, [['a'], ['b']]);
        expect(JSON.parse(bytes.toString('utf8', text!.start, text!.end))).toBe(parts.join(''));
        expect(bytes.toString('utf8', next!.start, next!.end)).toBe('1');
        expect(unambiguous(bytes)).toMatchObject({ ok: true, value: { b: 1 } });
      }),
      { numRuns: 1000 },
    );
  });

  test('finds keys that are spelled with escapes, and nothing where there is nothing', () => {
    const bytes = Buffer.from(`{"mod\\u0065l" : "x", "long": "${'y\\"'.repeat(100)}\\\\", "z": 1}`);
    const [model, long, z, none, deeper] = findSpans(bytes, [['model'], ['long'], ['z'], ['none'], ['z', 'a']]);
    expect(bytes.toString('utf8', model!.start, model!.end)).toBe('"x"');
    expect(JSON.parse(bytes.toString('utf8', long!.start, long!.end))).toBe(`${'y"'.repeat(100)}\\`);
    expect(bytes.toString('utf8', z!.start, z!.end)).toBe('1');
    expect([none, deeper]).toEqual([undefined, undefined]);
  });
});

function edit(text: string, ...edits: JsonEdit[]): string {
  return splice(Buffer.from(text), edits).toString();
}

describe('a splice', () => {
  test('without edits is the very same bytes', () => {
    const bytes = Buffer.from('{ "a" : 1.0 }');
    expect(splice(bytes, [])).toBe(bytes);
  });

  test('replaces any value and keeps every other byte', () => {
    fc.assert(
      fc.property(spaced, fc.nat(), value, ({ bytes }, pick, other) => {
        const all = paths(JSON.parse(bytes.toString()));
        const path = all[pick % all.length]!;
        const [span] = findSpans(bytes, [path]);
        const json = JSON.stringify(other);
        const expected =
          bytes.toString('latin1', 0, span!.start) +
          Buffer.from(json).toString('latin1') +
          bytes.toString('latin1', span!.end);
        expect(splice(bytes, [{ op: 'replace', path, json }]).toString('latin1')).toBe(expected);
        expect(splice(bytes, [{ op: 'set', path, json }]).toString('latin1')).toBe(expected);
      }),
    );
  });

  test('removes, sets and renames members as an object would', () => {
    const names = ['a', 'b', 'c', 'd'];
    const change = fc.record({ op: fc.constantFrom('remove', 'set'), key: fc.constantFrom(...names, 'e', 'f') });
    const space = fc.constantFrom('', ' ', '\n\t');
    fc.assert(
      fc.property(
        fc.subarray(names),
        fc.uniqueArray(change, { selector: ({ key }) => key }),
        space,
        (keys, changes, gap) => {
          const text = `{${gap}"in":{${keys.map((key) => `${gap}"${key}"${gap}:${gap}1.0${gap}`).join(',')}}${gap}}`;
          const model = new Map<string, number>(keys.map((key) => [key, 1]));
          const edits = changes.map(({ op, key }): JsonEdit => {
            if (op === 'remove') model.delete(key);
            else model.set(key, 2);
            return op === 'remove' ? { op: 'remove', path: ['in', key] } : { op: 'set', path: ['in', key], json: '2' };
          });
          const result = splice(Buffer.from(text), edits);
          expect(parseStrict(result)).toEqual({ in: Object.fromEntries(model) });
        },
      ),
      { numRuns: 500 },
    );
  });

  test.each<[string, JsonEdit[], string]>([
    ['{"a":1,"b":2}', [{ op: 'remove', path: ['a'] }], '{"b":2}'],
    ['{"a":1, "b":2 }', [{ op: 'remove', path: ['b'] }], '{"a":1 }'],
    ['{ "a":1 }', [{ op: 'remove', path: ['a'] }], '{  }'],
    ['[1,2,3]', [{ op: 'remove', path: [1] }], '[1,3]'],
    [
      '{"a":1}',
      [
        { op: 'set', path: ['b', 'c'], json: 'true' },
        { op: 'set', path: ['b', 'd'], json: '0' },
      ],
      '{"a":1,"b":{"c":true,"d":0}}',
    ],
    ['{"b":null}', [{ op: 'set', path: ['b', 'c'], json: 'true' }], '{"b":{"c":true}}'],
    [
      '{}',
      [
        { op: 'set', path: ['a'], json: '1' },
        { op: 'set', path: ['a'], json: '2' },
      ],
      '{"a":2}',
    ],
    [
      '{"a":{"b":1}}',
      [
        { op: 'remove', path: ['a'] },
        { op: 'replace', path: ['a', 'b'], json: '2' },
      ],
      '{}',
    ],
    ['{"a":1.0,"b":2}', [{ op: 'rename', path: ['a'], key: 'c' }], '{"c":1.0,"b":2}'],
    ['{"a":1.0,"b":2}', [{ op: 'rename', path: ['a'], key: 'b' }], '{"b":2}'],
    [
      '{"a":1}',
      [
        { op: 'remove', path: ['x'] },
        { op: 'replace', path: ['y', 0], json: '1' },
        { op: 'rename', path: ['z'], key: 'q' },
      ],
      '{"a":1}',
    ],
    ['{"a":"x"}', [{ op: 'text', path: ['a'], text: '"\n' }], '{"a":"\\"\\n"}'],
    ['{"a":{"x":1}}', [{ op: 'text', path: ['a'], text: '{"x": "[card]"}' }], '{"a":{"x": "[card]"}}'],
    ['{"a":{"x":1}}', [{ op: 'text', path: ['a'], text: '{"x": [card}' }], '{"a":"{\\"x\\": [card}"}'],
  ])('of %s with %j is %s', (text, edits, expected) => {
    expect(edit(text, ...edits)).toBe(expected);
  });

  test('keeps big integers, number spelling, escapes, key order and white space', () => {
    const text = '{"z":12345678901234567890,\r\n "a" : 1.0e0, "é\\u00e9":"\\/\\u0041", "model": "m"}';
    expect(edit(text, { op: 'set', path: ['model'], json: '"n"' })).toBe(text.replace('"m"', '"n"'));
  });
});

describe('paths', () => {
  test('are written and read alike', () => {
    expect(pathText(['messages', 0, 'content', 1, 'text'])).toBe('messages[0].content[1].text');
    expect(parsePath('messages[0].content.1.text')).toEqual(['messages', 0, 'content', 1, 'text']);
  });
});
