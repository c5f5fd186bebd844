import { failed } from '../cel/values.ts';
import { computed, expression, type PolicyFunction } from './function.ts';

const family = 'numbers';
const numbers = (compute: (...args: readonly number[]) => unknown) =>
  computed((...args) =>
    args.every((one) => typeof one === 'number') ? compute(...(args as readonly number[])) : undefined,
  );
const ofList = (compute: (list: readonly number[]) => unknown) =>
  computed((list) => (Array.isArray(list) && list.every((one) => typeof one === 'number') ? compute(list) : undefined));
const sum = (list: readonly number[]) => list.reduce((all, one) => all + one, 0);

export const numberFunctions: readonly PolicyFunction[] = [
  {
    name: 'abs',
    family,
    signatures: ['(double) double'],
    gives: 'the number without its sign',
    cost: 1,
    aliases: ['Abs'],
    example: ['abs(-2.5)', 2.5],
    is: expression(['number', 'math.abs(number)']),
  },
  {
    name: 'min',
    family,
    signatures: ['(double, double) double'],
    gives: 'the smaller of two numbers',
    cost: 1,
    aliases: ['Min'],
    example: ['min(2, 1.5)', 1.5],
    is: numbers((a = 0, b = 0) => Math.min(a, b)),
  },
  {
    name: 'max',
    family,
    signatures: ['(double, double) double'],
    gives: 'the greater of two numbers',
    cost: 1,
    aliases: ['Max'],
    example: ['max(2, 1.5)', 2],
    is: numbers((a = 0, b = 0) => Math.max(a, b)),
  },
  {
    name: 'round',
    family,
    signatures: ['(double) double', '(double, int) double'],
    gives: 'the number rounded to whole, or to so many places; halves go away from zero',
    cost: 2,
    aliases: ['Round'],
    example: ['round(2.345, 1)', 2.3],
    is: numbers(rounded),
  },
  {
    name: 'floor',
    family,
    signatures: ['(double) double'],
    gives: 'the greatest whole number not above it',
    cost: 1,
    aliases: ['Floor'],
    example: ['floor(2.9)', 2],
    is: expression(['number', 'math.floor(number)']),
  },
  {
    name: 'ceil',
    family,
    signatures: ['(double) double'],
    gives: 'the smallest whole number not below it',
    cost: 1,
    aliases: ['Ceil', 'Ceiling'],
    example: ['ceil(2.1)', 3],
    is: expression(['number', 'math.ceil(number)']),
  },
  {
    name: 'sqrt',
    family,
    signatures: ['(double) double'],
    gives: 'the square root',
    cost: 1,
    aliases: ['Sqrt'],
    example: ['sqrt(9)', 3],
    is: expression(['number', 'math.sqrt(number)']),
  },
  {
    name: 'pow',
    family,
    signatures: ['(double, double) double'],
    gives: 'the first raised to the power of the second',
    cost: 2,
    aliases: ['Pow'],
    example: ['pow(2, 10)', 1024],
    is: numbers((base = 0, exponent = 0) => base ** exponent),
  },
  {
    name: 'clamp',
    family,
    signatures: ['(double, double, double) double'],
    gives: 'the number, or the bound it is outside of',
    cost: 2,
    aliases: ['Clamp'],
    example: ['clamp(12, 0, 10)', 10],
    is: numbers((value = 0, low = 0, high = 0) => Math.min(Math.max(value, low), high)),
  },
  {
    name: 'between',
    family,
    signatures: ['(double, double, double) bool'],
    gives: 'whether the number is between two others, or one of them',
    cost: 2,
    aliases: ['Between', 'InRange', 'inRange'],
    example: ['between(5, 1, 5)', true],
    is: numbers((value = 0, low = 0, high = 0) => value >= low && value <= high),
  },
  {
    name: 'percentOf',
    family,
    signatures: ['(double, double) double'],
    gives: 'how many percent the first is of the second',
    cost: 2,
    aliases: ['PercentOf', 'Percentage'],
    example: ['percentOf(5, 20)', 25],
    is: numbers((part = 0, whole = 0) => (whole === 0 ? failed('division by zero') : (part / whole) * 100)),
  },
  {
    name: 'isWhole',
    family,
    signatures: ['(double) bool'],
    gives: 'whether the number has no fraction',
    cost: 1,
    aliases: ['IsInteger', 'isInteger'],
    example: ['isWhole(3.0)', true],
    is: numbers((value) => Number.isInteger(value)),
  },
  {
    name: 'sum',
    family,
    signatures: ['(list(double)) double'],
    gives: 'the sum of a list of numbers',
    cost: 100,
    aliases: ['Sum'],
    example: ['sum([1, 2, 3.5])', 6.5],
    is: ofList(sum),
  },
  {
    name: 'average',
    family,
    signatures: ['(list(double)) double'],
    gives: 'the mean of a list of numbers',
    cost: 100,
    aliases: ['Average', 'Avg', 'avg'],
    example: ['average([1, 2])', 1.5],
    is: ofList((list) => (list.length === 0 ? failed('the list is empty') : sum(list) / list.length)),
  },
];

function rounded(value = 0, places = 0): unknown {
  if (!Number.isInteger(places) || places < 0 || places > 15) return failed('places are 0 to 15');
  const scale = 10 ** places;
  return (Math.sign(value) * Math.round(Math.abs(value) * scale)) / scale;
}
