import { expect, it } from 'vitest';
import { languageIn } from '../../src/policy/functions/languages.ts';

it.each([
  ['en', 'There is no single way that would be right for all of the cases we have seen so far.'],
  ['de', 'Es gibt keinen einzigen Weg, der für alle Fälle der richtige wäre, und das ist nicht neu.'],
  ['fr', 'Il n’y a pas une seule façon de faire qui soit la bonne pour tous les cas que nous avons vus.'],
  ['es', 'No hay una sola manera que sea la correcta para todos los casos que hemos visto hasta ahora.'],
  ['it', 'Non è una strada che va bene per tutti i casi, ma questo si sa da sempre e non è un problema.'],
  ['pt', 'Não há uma única maneira que seja a certa para todos os casos que já vimos, e isso é muito comum.'],
  ['nl', 'Er is niet een manier die voor alle gevallen de juiste zou zijn, maar dat is ook niet nieuw.'],
  ['ru', 'Нет одного способа, который был бы верным для всех случаев.'],
  ['uk', 'Немає жодного способу, який був би правильним для всіх випадків, і це відомо.'],
  ['ja', 'すべての場合に正しい方法は一つではありません。'],
  ['zh', '没有一种方法适用于所有情况。'],
  ['ko', '모든 경우에 맞는 한 가지 방법은 없습니다.'],
  ['ar', 'لا توجد طريقة واحدة تصلح لكل الحالات.'],
  ['', 'const sum = (list) => list.reduce((a, b) => a + b, 0); export default sum; function main() {}'],
  ['', 'No.'],
  ['', ''],
])('knows %s', (language, text) => {
  expect(languageIn(text)).toBe(language);
});

it('takes time in line with a text’s length, and only so much of it', () => {
  const long = 'the quick brown fox and the lazy dog that is not there '.repeat(200_000);
  expect(languageIn(long)).toBe('en');
});
