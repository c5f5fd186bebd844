import { type View, ViewWriter } from './view.ts';

const morseOf =
  'a.- b-... c-.-. d-.. e. f..-. g--. h.... i.. j.--- k-.- l.-.. m-- n-. o--- p.--. q--.- r.-. s... t- u..- v...- w.-- x-..- y-.-- z--.. 0----- 1.---- 2..--- 3...-- 4....- 5..... 6-.... 7--... 8---.. 9----.';
const morse = new Map(morseOf.split(' ').map((entry) => [entry.slice(1), entry.charCodeAt(0)]));
morse
  .set('.-.-.-', 0x2e)
  .set('--..--', 0x2c)
  .set('..--..', 0x3f)
  .set('-.-.--', 0x21)
  .set('-....-', 0x2d)
  .set('.----.', 0x27);

const spelling = new Map(
  'alfa alpha bravo charlie delta echo foxtrot golf hotel india juliett juliet kilo lima mike november oscar papa quebec romeo sierra tango uniform victor whiskey whisky xray yankee zulu'
    .split(' ')
    .map((word) => [word, word.charCodeAt(0)]),
);

/** Groups of dots and dashes (a slash or a wide gap ends a word) read as Morse code. */
export function decodeMorse(text: string, before?: Int32Array): View | undefined {
  return decodeGroups('morse', text, before, 3, (group) => {
    if (group === '/' || group === '|') return 0x20;
    return group.length > 7 ? undefined : morse.get(group.replace(/[−–—_]/g, '-').replace(/[·•]/g, '.'));
  });
}

/** Words of the spelling alphabet read as their letters. */
export function decodeSpelling(text: string, before?: Int32Array): View | undefined {
  return decodeGroups('spelling_alphabet', text, before, 3, (group) =>
    group.length > 12 ? undefined : spelling.get(group.toLowerCase().replace(/[^a-z]/g, '')),
  );
}

/** Decodes runs of at least four groups between spaces; a gap of `wide` or more spaces, or a line end, is a space. */
function decodeGroups(
  name: string,
  text: string,
  before: Int32Array | undefined,
  wide: number,
  read: (group: string) => number | undefined,
): View | undefined {
  const writer = new ViewWriter();
  let copied = 0;
  let run: { readonly code: number; readonly at: number }[] = [];
  let runFrom = 0;
  let runTo = 0;
  const close = (): void => {
    if (run.length >= 4) {
      writer.copy(text, copied, runFrom);
      for (const unit of run) writer.unit(unit.code, unit.at);
      copied = runTo;
      writer.changed = true;
    }
    run = [];
  };
  for (let from = 0; from < text.length; ) {
    let to = from;
    while (to < text.length && text.charCodeAt(to) <= 0x20) to++;
    if (to - from >= wide && run.length > 0) run.push({ code: 0x20, at: from });
    from = to;
    while (to < text.length && text.charCodeAt(to) > 0x20) to++;
    if (to === from) break;
    const code = to - from > 16 ? undefined : read(text.slice(from, to));
    if (code === undefined) close();
    else {
      if (run.length === 0) runFrom = from;
      run.push({ code, at: from });
      runTo = to;
    }
    from = to;
  }
  close();
  if (!writer.changed) return undefined;
  writer.copy(text, copied, text.length);
  return writer.view(name, text.length, before);
}

const brailleLetters =
  'a1 b12 c14 d145 e15 f124 g1245 h125 i24 j245 k13 l123 m134 n1345 o135 p1234 q12345 r1235 s234 t2345 u136 v1236 w2456 x1346 y13456 z1356';
const braille = new Map(
  brailleLetters.split(' ').map((entry) => {
    let dots = 0;
    for (const dot of entry.slice(1)) dots |= 1 << (Number(dot) - 1);
    return [0x2800 + dots, entry.charCodeAt(0)];
  }),
);

/** Braille cells read as letters; capital and number signs are left out. */
export function decodeBraille(text: string, before?: Int32Array): View | undefined {
  const writer = new ViewWriter();
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x2800 || code > 0x28ff) {
      writer.unit(code, i);
      continue;
    }
    writer.changed = true;
    const letter = code === 0x2800 ? 0x20 : braille.get(code);
    if (letter !== undefined) writer.unit(letter, i);
  }
  return writer.changed ? writer.view('braille', text.length, before) : undefined;
}
