import { computed, type PolicyFunction } from './function.ts';

/** Texts are looked at so far: what a reply is written in shows in its first pages. */
const characters_max = 20_000;
/** Words of a language's own among all words before it is told, and by how much more than the next. */
const share_min = 0.12;
const lead_min = 1.25;
const words_min = 8;
/** Different small words of it that must be there: code has one letter a hundred times. */
const different_min = 4;

/** Scripts of one language, and the one that tells Japanese from Chinese. */
const scripts: readonly (readonly [language: string, script: RegExp])[] = [
  ['ja', /[\u3040-\u30ff]/gu],
  ['ko', /[\u1100-\u11ff\uac00-\ud7af]/gu],
  ['zh', /[\u4e00-\u9fff]/gu],
  ['ar', /[\u0600-\u06ff]/gu],
  ['he', /[\u0590-\u05ff]/gu],
  ['el', /[\u0370-\u03ff]/gu],
  ['th', /[\u0e00-\u0e7f]/gu],
  ['hi', /[\u0900-\u097f]/gu],
  ['uk', /[\u0456\u0457\u0454\u0491]/gu],
  ['ru', /[\u0400-\u04ff]/gu],
];

/** Small words that a language cannot do without. */
const smallWords: Readonly<Record<string, string>> = {
  en: 'the of and to in is that it for was on are as with be at this have from or by not but what you which their there has been would were when your will can we they',
  de: 'der die das und ist nicht ein eine zu den mit von sich auf für dem es im auch als an wie bei nach aus man wird sind wenn nur oder aber kann noch werden einen einer dass ich sie',
  fr: 'le la les de des et est une un que qui dans pour pas sur au avec ce il par plus ne se sont aux du en vous nous ou mais être cette comme ont fait ses',
  es: 'el la los las de que y en un una es se no por con para su al lo como más pero sus le ha me si sin sobre este ya entre cuando todo esta ser son dos también',
  it: 'il la di che e un una è per in non con del della sono le si da al come più anche dei gli lo questo ma alla nel ha delle essere se ci su i',
  pt: 'o a os as de que e do da em um uma para com não é por mais dos como mas ao das à seu sua ou ser quando muito há nos já também pelo pela isso são',
  nl: 'de het een en van is dat in te op niet zijn met voor die er aan ook als om maar bij door naar uit dan nog wordt kan deze heeft hij ze je worden',
  pl: 'i w nie na się że do to jest z jak o ale po co tak za od czy dla przez są być może tylko już lub oraz który która które',
  sv: 'och att det som en är på för med av inte den till ett om har de kan men så jag du från vi var när eller också ska',
};

const languageOf: ReadonlyMap<string, readonly string[]> = (() => {
  const found = new Map<string, string[]>();
  for (const [language, words] of Object.entries(smallWords)) {
    for (const word of words.split(' ')) found.set(word, [...(found.get(word) ?? []), language]);
  }
  return found;
})();

/** The language a text is plainly written in (ISO 639-1); empty where it is short, mixed, code, or one we do not know. */
export function languageIn(given: string): string {
  const text = given.slice(0, characters_max);
  const letters = text.match(/\p{L}/gu)?.length ?? 0;
  for (const [language, script] of scripts) {
    const found = text.match(script)?.length ?? 0;
    // Few of these letters make a text Japanese or Ukrainian: the rest are shared.
    const enough = language === 'ja' || language === 'uk' ? 0.05 : 0.4;
    if (found > 0 && found >= letters * enough) return language;
  }
  const words = text.toLowerCase().match(/\p{L}+/gu) ?? [];
  if (words.length < words_min) return '';
  const scores = new Map<string, number>();
  for (const word of words) {
    const languages = languageOf.get(word) ?? [];
    for (const language of languages) scores.set(language, (scores.get(language) ?? 0) + 1 / languages.length);
  }
  const [first, second] = [...scores].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  if (first === undefined || first[1] < words.length * share_min) return '';
  const own = new Set(words.filter((word) => languageOf.get(word)?.includes(first[0]) === true));
  if (own.size < different_min) return '';
  return second === undefined || first[1] >= second[1] * lead_min ? first[0] : '';
}

export const languageFunctions: readonly PolicyFunction[] = [
  {
    name: 'language',
    family: 'content',
    signatures: ['(string) string'],
    gives:
      'the language a text is plainly written in (`en`, `de`, `fr`, `es`, `it`, `pt`, `nl`, `pl`, `sv`, `ru`, `uk`, `el`, `ar`, `he`, `hi`, `th`, `zh`, `ja`, `ko`); empty where it is short, mixed or none of these',
    cost: 2000,
    aliases: ['Language', 'DetectLanguage'],
    example: ['language("This is what the text of a letter is like")', 'en'],
    is: computed((text) => (typeof text === 'string' ? languageIn(text) : undefined)),
  },
];
