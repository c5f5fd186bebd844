import fc from 'fast-check';

/** Texts of expressions by the type they are of. They may fail when they run: by overflow, by zero, at an index. */
export const expressions = fc.letrec<Record<'bool' | 'int' | 'double' | 'string' | 'list' | 'strings', string>>(
  (tie) => {
    const of = (parts: readonly (fc.Arbitrary<string> | string)[]) =>
      fc
        .tuple(...parts.map((part) => (typeof part === 'string' ? fc.constant(part) : part)))
        .map((texts) => texts.join(''));
    const [bool, int, double, string, list, strings] = (
      ['bool', 'int', 'double', 'string', 'list', 'strings'] as const
    ).map((name) => tie(name) as fc.Arbitrary<string>) as [
      fc.Arbitrary<string>,
      fc.Arbitrary<string>,
      fc.Arbitrary<string>,
      fc.Arbitrary<string>,
      fc.Arbitrary<string>,
      fc.Arbitrary<string>,
    ];
    const order = fc.constantFrom(' < ', ' <= ', ' > ', ' >= ', ' == ', ' != ');
    const text = fc
      .constantFrom('', 'a', 'b', 'ab', 'abc', 'B', '\u00e9', '\u{1f600}x', ' x ')
      .map((one) => JSON.stringify(one));
    const whole = fc
      .oneof(
        fc.integer({ min: -5, max: 5 }),
        fc.constantFrom('9223372036854775807', '-9223372036854775808', '4294967296'),
      )
      .map(String);
    const broken = fc.constantFrom('0.0', '1.5', '-2.25', '1e3', '3.0', '1e308');
    const settings = { maxDepth: 4, withCrossShrink: true };
    return {
      bool: fc.oneof(
        settings,
        fc.constantFrom('true', 'false', 'flag'),
        of(['(', int, order, int, ')']),
        of(['(', double, order, double, ')']),
        of(['(', string, order, string, ')']),
        of(['(', list, fc.constantFrom(' == ', ' != '), list, ')']),
        of(['(', bool, fc.constantFrom(' && ', ' || ', ' == '), bool, ')']),
        of(['!', bool]),
        of(['(', bool, ' ? ', bool, ' : ', bool, ')']),
        of(['(', int, ' in ', list, ')']),
        of([string, fc.constantFrom('.contains', '.startsWith', '.endsWith'), '(', string, ')']),
        of([list, fc.constantFrom('.all', '.exists', '.exists_one'), '(i, i', order, int, ')']),
      ),
      int: fc.oneof(
        settings,
        whole,
        fc.constantFrom('n', 'm.k'),
        of(['(', int, fc.constantFrom(' + ', ' - ', ' * ', ' / ', ' % '), int, ')']),
        fc.constantFrom('-n', '-m.k'),
        of(['size(', fc.oneof(string, list, strings), ')']),
        of(['(', bool, ' ? ', int, ' : ', int, ')']),
        of([list, '[', int, ']']),
        of(['int(', double, ')']),
      ),
      double: fc.oneof(
        settings,
        broken,
        fc.constant('d'),
        of(['(', double, fc.constantFrom(' + ', ' - ', ' * ', ' / '), double, ')']),
        of(['double(', int, ')']),
      ),
      string: fc.oneof(
        settings,
        text,
        fc.constant('s'),
        of(['(', string, ' + ', string, ')']),
        of(['string(', int, ')']),
        of([strings, '[', int, ']']),
      ),
      list: fc.oneof(
        settings,
        fc.constantFrom('[]', 'list', '[1, 2, 3]'),
        of(['[', int, ', ', int, ']']),
        of(['(', list, ' + ', list, ')']),
        of([list, '.map(i, i + ', int, ')']),
        of([list, '.filter(i, i > ', int, ')']),
        of([strings, '.map(t, size(t))']),
      ),
      strings: fc.oneof(
        settings,
        fc.constant('["a", "bc"]'),
        of(['[', string, ', ', string, ']']),
        of([strings, '.filter(t, t != ', string, ')']),
      ),
    };
  },
);

/** Values by the names those expressions read, as the standard's types. */
export const bindings = { flag: true, n: 7n, d: 0.5, s: 'hello', list: [1n, 2n, 3n], m: { k: 4n } };
