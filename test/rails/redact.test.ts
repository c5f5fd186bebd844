import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applySpans, compileMatcher, redactText } from '../../src/rails/index.ts';
import { cutAt, mark } from './support/feeding.ts';

const matcher = compileMatcher([{ kind: 'expression', id: 'x', source: 'x+' }]);

describe('applySpans', () => {
  it('puts the placeholder where a span begins and swallows the rest of it in later pieces', () => {
    const lane = matcher.lane({ channel: 'content' });
    lane.feed('abxxxxcd');
    lane.finish();
    expect(applySpans('abx', 0, lane.spans, mark)).toBe('ab<x>');
    expect(applySpans('xx', 3, lane.spans, mark)).toBe('');
    expect(applySpans('xcd', 5, lane.spans, mark)).toBe('cd');
    expect(applySpans('', 2, lane.spans, mark)).toBe('');
  });

  it('gives back the very text where no span touches it', () => {
    const text = 'abc';
    expect(applySpans(text, 10, [], mark)).toBe(text);
  });

  it('gives the same for a text in any pieces', () => {
    const text = fc.string({ unit: fc.constantFrom('x', 'a', 'b', 'x'), maxLength: 30 });
    fc.assert(
      fc.property(text, fc.array(fc.nat(30)), (input, cuts) => {
        const lane = matcher.lane({ channel: 'content' });
        lane.feed(input);
        lane.finish();
        let at = 0;
        let out = '';
        for (const piece of cutAt(input, cuts)) {
          out += applySpans(piece, at, lane.spans, mark);
          at += piece.length;
        }
        expect(out).toBe(input.replace(/x+/g, '<x>'));
      }),
    );
  });
});

describe('redactText', () => {
  it('redacts a whole text and gives its spans', () => {
    const redacted = redactText('a xx b', matcher, { channel: 'content' }, mark);
    expect(redacted).toMatchObject({
      outcome: 'redacted',
      text: 'a <x> b',
      spans: [{ start: 2, end: 4, open: false }],
    });
  });

  it('says so when it is unable, and gives no text', () => {
    const redacted = redactText('x '.repeat(100_001), matcher, { channel: 'content' }, mark);
    expect(redacted.outcome).toBe('unable');
    expect(redacted).not.toHaveProperty('text');
  });
});
