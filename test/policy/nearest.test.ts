import { describe, expect, test } from 'vitest';
import { nearest } from '../../src/policy/index.ts';

const commands = ['serve', 'evaluate', 'eval', 'validate', 'fmt', 'lint'];

describe('what was probably meant', () => {
  test.each([
    ['sevre', 'serve'],
    ['evalute', 'evaluate'],
    ['LINT', 'lint'],
    ['fnt', 'fmt'],
    ['vldte', undefined],
    ['vali', 'validate'],
    ['foo', undefined],
    ['v', undefined],
    ['', undefined],
  ])('by %j is %j', (word, meant) => {
    expect(nearest(word, commands)).toBe(meant);
  });

  test('of two as near the first, and one that is near before one that begins so', () => {
    expect(nearest('cat', ['cap', 'car'])).toBe('cap');
    expect(nearest('eval', ['evaluate', 'evil'])).toBe('evil');
  });

  test('a name as long as a prompt is compared by its beginning', () => {
    expect(nearest('x'.repeat(1_000_000), commands)).toBeUndefined();
  });
});
