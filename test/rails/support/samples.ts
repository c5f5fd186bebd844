import type { Detector } from '../../../src/rails/detectors/index.ts';
import { detectorsOf } from '../../../src/rails/detectors/index.ts';
import type { Tree } from '../../../src/rails/matcher/ast.ts';

/** Numbers from 0 up to 1, the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A text the tree matches, in printable ASCII, and where in it the match begins (context comes before). */
function walk(
  tree: Tree,
  random: () => number,
  out: { text: string; start: number; over: boolean; back: number },
): void {
  if (out.over) return;
  switch (tree.kind) {
    case 'set': {
      const chars: number[] = [];
      for (let i = 0; i < tree.set.length; i += 2) {
        for (let point = Math.max(32, tree.set[i]!); point <= Math.min(126, tree.set[i + 1]!); point += 1)
          chars.push(point);
      }
      out.text += String.fromCharCode(chars[Math.floor(random() * chars.length)] ?? tree.set[0]!);
      return;
    }
    case 'slide':
      for (let i = 0; i < 5; i += 1) walk({ kind: 'set', set: tree.set }, random, out);
      return;
    case 'sequence':
      for (const part of tree.parts) walk(part, random, out);
      return;
    case 'choice':
      walk(tree.options[Math.floor(random() * tree.options.length)]!, random, out);
      return;
    case 'repeat': {
      const times = tree.least + Math.floor(random() * (Math.min(tree.most - tree.least, 3) + 1));
      for (let i = 0; i < times; i += 1) walk(tree.of, random, out);
      return;
    }
    case 'mark':
      out.start = out.text.length;
      return;
    case 'accept':
      out.over = true;
      out.back = tree.back;
      return;
    default:
      return;
  }
}

export interface Sample {
  readonly type: string;
  /** What announces the match, if anything. */
  readonly before: string;
  readonly value: string;
  /** What ends the match where it would otherwise run on, or must follow it. */
  readonly after: string;
}

const afters: Readonly<Record<string, string>> = { credentials_in_url: 'db.example', nuget_password: '"/>' };

function fromTree(detector: Detector, random: () => number): Sample {
  for (let i = 0; i < 500; i += 1) {
    const out = { text: '', start: 0, over: false, back: 0 };
    walk(detector.tree, random, out);
    const value = out.text.slice(out.start, out.text.length - out.back);
    if (detector.check === undefined || detector.check(value)) {
      return { type: detector.type, before: out.text.slice(0, out.start), value, after: afters[detector.type] ?? '' };
    }
  }
  throw new Error(`no sample of ${detector.type}`);
}

const digitsOf = (count: number, random: () => number): string =>
  Array.from({ length: count }, () => Math.floor(random() * 10)).join('');

/** A number of a test range with a right check digit, in the groups asked for. */
export function cardNumber(random: () => number, groups: readonly number[]): string {
  const length = groups.reduce((sum, group) => sum + group, 0);
  const head = length === 15 ? '37' : '4';
  const body = head + digitsOf(length - head.length - 1, random);
  for (let last = 0; last < 10; last += 1) {
    const number = body + last;
    let sum = 0;
    [...number].reverse().forEach((char, i) => {
      const digit = Number(char) * (i % 2 === 1 ? 2 : 1);
      sum += digit > 9 ? digit - 9 : digit;
    });
    if (sum % 10 !== 0) continue;
    let at = 0;
    const parts = groups.map((group) => {
      at += group;
      return number.slice(at - group, at);
    });
    return parts.join(' ');
  }
  throw new Error('unreachable');
}

/** An IBAN of Germany with right check digits. */
export function ibanNumber(random: () => number): string {
  const account = digitsOf(18, random);
  const check = 98n - (BigInt(`${account}131400`) % 97n);
  return `DE${String(check).padStart(2, '0')}${account}`;
}

/** A few values of every type a rail streams, made up anew from the seed. */
export function samplesOf(rail: string, seed: number): Sample[] {
  const random = seeded(seed);
  if (rail === 'secrets') return detectorsOf('secrets').map((detector) => fromTree(detector, random));
  const plain = (type: string, value: string, before = ''): Sample => ({ type, before, value, after: '' });
  const iban = ibanNumber(random);
  return [
    plain('card', cardNumber(random, [16])),
    plain('card', cardNumber(random, [4, 4, 4, 4])),
    plain('card', cardNumber(random, [4, 6, 5]).replaceAll(' ', '-')),
    plain('iban', iban),
    plain('iban', iban.replace(/.{4}/g, '$& ').trim()),
    plain(
      'us_ssn',
      `${100 + Math.floor(random() * 500)}-${10 + Math.floor(random() * 80)}-${1000 + Math.floor(random() * 8000)}`,
    ),
    plain('us_ssn', `512${10 + Math.floor(random() * 80)}${1000 + Math.floor(random() * 8000)}`, 'SSN: '),
    plain('email', `user${digitsOf(3, random)}@mail.example.org`),
    plain('email', `first.last+tag@sub-${digitsOf(2, random)}.example.co.uk`),
    plain('phone', `+49 30 ${digitsOf(3, random)}5${digitsOf(3, random)}`),
    plain('phone', `(212) 55${Math.floor(random() * 10)}-${digitsOf(4, random)}`),
    plain('phone', `4${digitsOf(2, random)} ${1 + Math.floor(random() * 8)}${digitsOf(3, random)}`, 'Phone: '),
    plain('ip', `${10 + Math.floor(random() * 90)}.${Math.floor(random() * 200)}.0.${Math.floor(random() * 200)}`),
    plain('ip', `2001:db8:${digitsOf(3, random)}::${1 + Math.floor(random() * 8)}a`),
  ];
}
