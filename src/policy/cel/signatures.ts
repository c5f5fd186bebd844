import {
  bool,
  bytes,
  type CelType,
  double,
  duration,
  dyn,
  inDialect,
  int,
  listOf,
  mapOf,
  nothing,
  optionalOf,
  type Signature,
  string,
  timestamp,
  type,
  uint,
} from './types.ts';
import type { Dialect } from './values.ts';

/** One way to call a function. With `method`, the first parameter stands before the dot. */
export interface Overload extends Signature {
  readonly method: boolean;
}

const named: Readonly<Record<string, CelType>> = {
  bool,
  int,
  uint,
  double,
  string,
  bytes,
  null: nothing,
  timestamp,
  duration,
  dyn,
  type,
};

const numeric = ['int', 'uint', 'double'];
const same = (list: readonly string[]) => list.map((one) => `(${one}, ${one}) ${one}`);
const ordered = [
  ...['bool', 'string', 'bytes', 'timestamp', 'duration'].map((one) => `(${one}, ${one}) bool`),
  ...numeric.flatMap((a) => numeric.map((b) => `(${a}, ${b}) bool`)),
];
const accessors = ['FullYear', 'Month', 'Date', 'DayOfMonth', 'DayOfWeek', 'DayOfYear'];
const clock = ['Hours', 'Minutes', 'Seconds', 'Milliseconds'];
const rounding = ['ceil', 'floor', 'round', 'trunc'];
const bits = ['bitAnd', 'bitOr', 'bitXor'];

/** Every function of the library: `(parameters) result`, a method with a dot before it. */
const source: Readonly<Record<string, readonly string[]>> = {
  '_+_': [
    ...same([...numeric, 'string', 'bytes', 'list(A)', 'duration']),
    '(timestamp, duration) timestamp',
    '(duration, timestamp) timestamp',
  ],
  '_-_': [...same([...numeric, 'duration']), '(timestamp, duration) timestamp', '(timestamp, timestamp) duration'],
  '_*_': same(numeric),
  '_/_': same(numeric),
  '_%_': same(['int', 'uint']),
  '-_': ['(int) int', '(double) double'],
  '!_': ['(bool) bool'],
  '_==_': ['(A, A) bool'],
  '_!=_': ['(A, A) bool'],
  '_<_': ordered,
  '_<=_': ordered,
  '_>_': ordered,
  '_>=_': ordered,
  '@in': ['(A, list(A)) bool', '(A, map(A, B)) bool'],
  '_[_]': [
    '(list(A), int) A',
    '(map(A, B), A) B',
    '(optional(list(A)), int) optional(A)',
    '(optional(map(A, B)), A) optional(B)',
  ],
  '_[?_]': [
    '(list(A), int) optional(A)',
    '(map(A, B), A) optional(B)',
    '(optional(list(A)), int) optional(A)',
    '(optional(map(A, B)), A) optional(B)',
  ],
  size: ['string', 'bytes', 'list(A)', 'map(A, B)'].flatMap((one) => [`(${one}) int`, `.(${one}) int`]),
  contains: ['.(string, string) bool'],
  startsWith: ['.(string, string) bool'],
  endsWith: ['.(string, string) bool'],
  matches: ['.(string, string) bool', '(string, string) bool'],
  bool: ['(bool) bool', '(string) bool'],
  int: ['(int) int', '(uint) int', '(double) int', '(string) int', '(timestamp) int', '(duration) int'],
  uint: ['(int) uint', '(uint) uint', '(double) uint', '(string) uint'],
  double: ['(int) double', '(uint) double', '(double) double', '(string) double'],
  string: ['bool', ...numeric, 'string', 'bytes', 'timestamp', 'duration'].map((one) => `(${one}) string`),
  bytes: ['(string) bytes', '(bytes) bytes'],
  timestamp: ['(timestamp) timestamp', '(string) timestamp', '(int) timestamp'],
  duration: ['(duration) duration', '(string) duration', '(int) duration'],
  type: ['(A) type'],
  dyn: ['(A) dyn'],
  ...Object.fromEntries(accessors.map((name) => [`get${name}`, ['.(timestamp) int', '.(timestamp, string) int']])),
  ...Object.fromEntries(
    clock.map((name) => [`get${name}`, ['.(timestamp) int', '.(timestamp, string) int', '.(duration) int']]),
  ),
  charAt: ['.(string, int) string'],
  indexOf: ['.(string, string) int', '.(string, string, int) int'],
  lastIndexOf: ['.(string, string) int', '.(string, string, int) int'],
  lowerAscii: ['.(string) string'],
  upperAscii: ['.(string) string'],
  trim: ['.(string) string'],
  replace: ['.(string, string, string) string', '.(string, string, string, int) string'],
  split: ['.(string, string) list(string)', '.(string, string, int) list(string)'],
  substring: ['.(string, int) string', '.(string, int, int) string'],
  join: ['.(list(string)) string', '.(list(string), string) string'],
  reverse: ['.(string) string', '.(list(A)) list(A)'],
  format: ['.(string, list(dyn)) string'],
  'strings.quote': ['(string) string'],
  ...Object.fromEntries(rounding.map((name) => [`math.${name}`, ['(double) double']])),
  'math.abs': numeric.map((one) => `(${one}) ${one}`),
  'math.sign': numeric.map((one) => `(${one}) ${one}`),
  'math.sqrt': numeric.map((one) => `(${one}) double`),
  'math.isNaN': ['(double) bool'],
  'math.isInf': ['(double) bool'],
  'math.isFinite': ['(double) bool'],
  ...Object.fromEntries(bits.map((name) => [`math.${name}`, same(['int', 'uint'])])),
  'math.bitNot': ['(int) int', '(uint) uint'],
  'math.bitShiftLeft': ['(int, int) int', '(uint, int) uint'],
  'math.bitShiftRight': ['(int, int) int', '(uint, int) uint'],
  'base64.encode': ['(bytes) string'],
  'base64.decode': ['(string) bytes'],
  'optional.of': ['(A) optional(A)'],
  'optional.none': ['() optional(A)'],
  'optional.ofNonZeroValue': ['(A) optional(A)'],
  hasValue: ['.(optional(A)) bool'],
  value: ['.(optional(A)) A'],
  or: ['.(optional(A), optional(A)) optional(A)'],
  orValue: ['.(optional(A), A) A'],
  'lists.range': ['(int) list(int)'],
  slice: ['.(list(A), int, int) list(A)'],
  flatten: ['.(list(list(A))) list(A)', '.(list(dyn)) list(dyn)', '.(list(dyn), int) list(dyn)'],
  distinct: ['.(list(A)) list(A)'],
  sort: ['.(list(A)) list(A)'],
  first: ['.(list(A)) optional(A)'],
  last: ['.(list(A)) optional(A)'],
  'sets.contains': ['(list(A), list(A)) bool'],
  'sets.equivalent': ['(list(A), list(A)) bool'],
  'sets.intersects': ['(list(A), list(A)) bool'],
};

/** Functions of any number of numbers, or of one list of them. */
export const variadic: ReadonlySet<string> = new Set(['math.greatest', 'math.least']);

const tables = new Map<Dialect, ReadonlyMap<string, readonly Overload[]>>();

/** The signatures of the library; in policies `int`, `uint` and `double` are one. */
export function signatures(dialect: Dialect): ReadonlyMap<string, readonly Overload[]> {
  const known = tables.get(dialect);
  if (known !== undefined) return known;
  const table = new Map(
    Object.entries(source).map(([name, list]) => [name, distinct(list.map((text) => overloadOf(text, dialect)))]),
  );
  tables.set(dialect, table);
  return table;
}

function distinct(list: readonly Overload[]): readonly Overload[] {
  return [...new Map(list.map((one) => [JSON.stringify([one.method, one.parameters]), one])).values()];
}

/** `(string, int) bool`, a method with a dot before it, as the dialect has its types. */
export function overloadOf(text: string, dialect: Dialect): Overload {
  const method = text.startsWith('.');
  const reader = { text, at: method ? 2 : 1 };
  const parameters: CelType[] = [];
  while (text[reader.at] !== ')') parameters.push(inDialect(readType(reader), dialect));
  reader.at += 2;
  const result = inDialect(readType(reader), dialect);
  return { method, parameters, result, generic: /\b[A-Z]\b/.test(text) };
}

function readType(reader: { readonly text: string; at: number }): CelType {
  const name = /[A-Za-z]+/y;
  name.lastIndex = reader.at;
  const word = name.exec(reader.text)?.[0] ?? '';
  reader.at += word.length;
  const parts: CelType[] = [];
  if (reader.text[reader.at] === '(') {
    reader.at++;
    while (reader.text[reader.at] !== ')') parts.push(readType(reader));
    reader.at++;
  }
  if (reader.text.startsWith(', ', reader.at)) reader.at += 2;
  const [first = dyn, second = dyn] = parts;
  if (word === 'list') return listOf(first);
  if (word === 'map') return mapOf(first, second);
  if (word === 'optional') return optionalOf(first);
  return named[word] ?? { kind: 'parameter', name: word };
}
