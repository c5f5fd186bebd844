import type { JsonPath } from '../../exchange/index.ts';

/** The path one step further, made to its size: a spread with one more element reserves room for sixteen. */
export function under(path: JsonPath, step: string | number): JsonPath {
  const longer = new Array<string | number>(path.length + 1);
  for (let index = 0; index < path.length; index += 1) longer[index] = path[index] ?? 0;
  longer[path.length] = step;
  return longer;
}

/** A path as people write it: `messages[0].content`. */
export function pathText(path: JsonPath): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else text += text === '' ? step : `.${step}`;
  }
  return text;
}

/** A dotted path of a configuration or policy as steps: `messages.0.name`, `messages[0].name`. Digits are indices. */
export function parsePath(text: string): (string | number)[] {
  const steps = text.replaceAll('[', '.').replaceAll(']', '').split('.');
  return steps.filter((step) => step !== '').map((step) => (/^\d+$/.test(step) ? Number(step) : step));
}
