import { equals } from '../cel/equality.ts';
import { failed } from '../cel/values.ts';
import { computed, expression, type PolicyFunction } from './function.ts';

const family = 'lists';

// Pairs of elements that two lists may be compared by.
const pairsMax = 1_000_000;

function both(keep: (item: unknown, inOther: boolean) => boolean, added: boolean) {
  return computed((a, b) => {
    if (!Array.isArray(a) || !Array.isArray(b)) return undefined;
    if (a.length * b.length > pairsMax) return failed('the lists are too long to compare');
    const has = (list: readonly unknown[], item: unknown) => list.some((one) => equals(one, item) === true);
    const kept = a.filter((item) => keep(item, has(b, item)));
    return added ? [...kept, ...b.filter((item) => !has(a, item))] : kept;
  });
}

export const listFunctions: readonly PolicyFunction[] = [
  {
    name: 'includes',
    family,
    signatures: ['(list(A), A) bool'],
    gives: 'whether a list has an element',
    cost: 10,
    aliases: ['Includes', 'InList', 'ListContains'],
    example: ['includes(["a", "b"], "b")', true],
    is: expression(['list', 'item', 'item in list']),
  },
  {
    name: 'includesAny',
    family,
    signatures: ['(list(A), list(A)) bool'],
    gives: 'whether a list has one of several elements',
    cost: 100,
    aliases: ['ContainsAny', 'containsAny', 'HasAny'],
    example: ['includesAny(user.roles, ["admin", "owner"])', true, { user: { roles: ['owner'] } }],
    is: expression(['list', 'items', 'list.exists(item_, item_ in items)']),
  },
  {
    name: 'includesAll',
    family,
    signatures: ['(list(A), list(A)) bool'],
    gives: 'whether a list has all of several elements',
    cost: 1_000,
    aliases: ['ContainsAll', 'containsAll', 'HasAll'],
    example: ['includesAll([1, 2, 3], [1, 3])', true],
    is: expression(['list', 'items', 'sets.contains(list, items)']),
  },
  {
    name: 'isSubset',
    family,
    signatures: ['(list(A), list(A)) bool'],
    gives: 'whether every element of the first list is in the second',
    cost: 1_000,
    aliases: ['IsSubset'],
    example: ['isSubset([1], [1, 2])', true],
    is: expression(['list', 'of', 'sets.contains(of, list)']),
  },
  {
    name: 'intersection',
    family,
    signatures: ['(list(A), list(A)) list(A)'],
    gives: 'the elements of the first list that are in the second',
    cost: 1_000,
    aliases: ['Intersection', 'Intersect'],
    example: ['intersection([1, 2], [2, 3])', [2]],
    is: both((_, other) => other, false),
  },
  {
    name: 'union',
    family,
    signatures: ['(list(A), list(A)) list(A)'],
    gives: 'the elements of both lists, those of both once',
    cost: 1_000,
    aliases: ['Union'],
    example: ['union([1, 2], [2, 3])', [1, 2, 3]],
    is: both(() => true, true),
  },
  {
    name: 'difference',
    family,
    signatures: ['(list(A), list(A)) list(A)'],
    gives: 'the elements of the first list that are not in the second',
    cost: 1_000,
    aliases: ['Difference', 'Except'],
    example: ['difference([1, 2], [2, 3])', [1]],
    is: both((_, other) => !other, false),
  },
  {
    name: 'unique',
    family,
    signatures: ['(list(A)) list(A)'],
    gives: 'the elements, each once',
    cost: 1_000,
    aliases: ['Unique', 'Distinct'],
    example: ['unique([1, 2, 1])', [1, 2]],
    is: expression(['list', 'list.distinct()']),
  },
  {
    name: 'sorted',
    family,
    signatures: ['(list(A)) list(A)'],
    gives: 'the elements in order',
    cost: 1_000,
    aliases: ['Sort', 'Sorted'],
    example: ['sorted([2, 1])', [1, 2]],
    is: expression(['list', 'list.sort()']),
  },
  {
    name: 'count',
    family,
    signatures: ['(list(A)) int'],
    gives: 'how many elements there are',
    cost: 1,
    aliases: ['Count'],
    example: ['count([1, 2])', 2],
    is: expression(['list', 'size(list)']),
  },
  {
    name: 'firstOf',
    family,
    signatures: ['(list(A)) A'],
    gives: 'the first element; missing where there is none',
    cost: 1,
    aliases: ['First'],
    example: ['firstOf(["a", "b"])', 'a'],
    is: expression(['list', 'list[0]']),
  },
  {
    name: 'lastOf',
    family,
    signatures: ['(list(A)) A'],
    gives: 'the last element; missing where there is none',
    cost: 1,
    aliases: ['Last'],
    example: ['lastOf(["a", "b"])', 'b'],
    is: computed((list) => (Array.isArray(list) ? list.at(-1) : undefined)),
  },
];
