/**
 * Letters drawn like a Latin one: the part of Unicode's confusables (UTS 39) that attacks use. Full-width and
 * mathematical letters need no entry: their compatibility decomposition is the plain letter.
 */

/** Other scripts: Latin only in the company of Latin letters, or honest Russian and Greek would be mangled. */
const otherScripts =
  // Cyrillic
  'аa вb еe кk мm нh оo рp сc тt уy хx ѕs іi јj ԁd ӏl һh ԛq ԝw ѵv ғf ԍg бb зe ьb ' +
  // Greek
  'αa βb γy εe ζz ηn ιi κk λl μu νv οo ρp σo ςs τt υu χx ωw ϲc ϳj ' +
  // Armenian
  'աw եt հh յj ոn սu ցg օo զq ' +
  // Cherokee (lower case: the fold comes first)
  'ꭺa ᏼb ꮯc ꭰd ꭼe ꮐg ꮋh ꭵi ꭻj ꮶk ꮮl ꮇm ꮎo ꮲp ꭱr ꮪs ꭲt ꮩv ꮃw ꮓz';

/** Latin letters in disguise: plain in any company. */
const latinVariants =
  'łl øo đd ħh ŧt ıi ƙk ɓb ɗd ɑa ɡg ɩi ɛe ɦh ɨi ʋv ' +
  'ᴀa ʙb ᴄc ᴅd ᴇe ꜰf ɢg ʜh ɪi ᴊj ᴋk ʟl ᴍm ɴn ᴏo ᴘp ʀr ꜱs ᴛt ᴜu ᴠv ᴡw ʏy ᴢz ' +
  // Turned letters of "upside-down text" generators
  'ɐa ɔc ǝe ɟf ƃg ɥh ᴉi ɾj ʞk ɯm ɹr ʇt ʌv ʍw ʎy';

function table(pairs: string): Uint8Array {
  const latin = new Uint8Array(0x10000);
  for (const pair of pairs.split(' ')) latin[pair.charCodeAt(0)] = pair.charCodeAt(1);
  return latin;
}

const alike = table(otherScripts);
const variants = table(latinVariants);

/** The Latin letter a folded code unit of another script is drawn like, or 0. */
export function latinLookAlike(code: number): number {
  return alike[code] ?? 0;
}

/** The plain letter of a lower-case Latin variant (stroked, small capital, turned), or 0. */
export function plainLatin(code: number): number {
  return variants[code] ?? 0;
}
