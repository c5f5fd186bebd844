import type { DemoRequest } from './request.ts';

/** What the demo model does with a request: the same request, the same answer. */
export type DemoAnswer =
  | { readonly kind: 'text'; readonly text: string; readonly breaksOff: boolean }
  | { readonly kind: 'tool'; readonly name: string; readonly arguments: string }
  | { readonly kind: 'error'; readonly status: number; readonly message: string };

/** Card networks publish this number for tests; it passes the check digit and belongs to nobody. */
const testCard = '4111 1111 1111 1111';
const testAddress = 'jane.doe@example.com';
// Put together here so that no scanner of sources takes it for a key that leaked. It never was one.
const testAwsKey = ['AKIA', 'QW4ZRT7N', 'PL2XKD5M'].join('');

/** Most letters of a message that are given back. */
const quotedMax = 400;

/**
 * What to answer. By the last message: `Repeat after me: ...` echoes; `test card number`, `test e-mail` and `test AWS key`
 * give made-up personal data and secrets, to watch rails at work; `call the tool` calls the first tool; `Fail with status
 * 429` fails; `Break off` ends in the middle. Anything else is told what this model is.
 */
export function demoAnswer(request: DemoRequest): DemoAnswer {
  const { lastText } = request;
  const failing = /\bfail with status (\d{3})\b/i.exec(lastText);
  if (failing !== null) {
    const status = Number(failing[1]);
    if (status >= 400 && status < 600) return { kind: 'error', status, message: `You asked for status ${status}.` };
  }
  if (request.structured) {
    return { kind: 'error', status: 400, message: 'The built-in demo model has no structured output.' };
  }
  if (request.toolWanted && request.firstTool !== undefined && request.lastRole !== 'tool') {
    const { name, parameters } = request.firstTool;
    return { kind: 'tool', name, arguments: JSON.stringify(sample(parameters, 0) ?? {}) };
  }
  return { kind: 'text', text: sentence(request), breaksOff: /\bbreak off\b/i.test(lastText) };
}

function sentence({ lastText, lastRole, model }: DemoRequest): string {
  if (lastRole === 'tool') return `The tool answered: ${lastText.slice(0, quotedMax)}`;
  const echo = /\brepeat after me:\s*([\s\S]+)$/i.exec(lastText);
  if (echo?.[1] !== undefined) return echo[1];
  if (/\btest card number\b/i.test(lastText)) {
    return `Here are made-up data for a test: card ${testCard}, address ${testAddress}, key ${testAwsKey}. None of them is real.`;
  }
  if (/\btest e-?mail\b/i.test(lastText)) return `You may write to ${testAddress}, which nobody reads.`;
  if (/\btest aws key\b/i.test(lastText)) return `A key that opens nothing: ${testAwsKey}.`;
  const said = lastText.length > quotedMax ? `${lastText.slice(0, quotedMax)} ...` : lastText;
  return `I am the built-in demo model "${model}" of this gateway. No provider was called and I cannot think. You said: ${said}`;
}

/** A value that fits a JSON Schema's outline: required members only, the first of every choice. */
function sample(schema: unknown, depth: number): unknown {
  if (typeof schema !== 'object' || schema === null || depth > 8) return undefined;
  const known = schema as Readonly<Record<string, unknown>>;
  if ('const' in known) return known.const;
  if ('default' in known) return known.default;
  if (Array.isArray(known.enum)) return known.enum[0];
  const type = Array.isArray(known.type) ? known.type[0] : known.type;
  switch (type) {
    case 'string':
      return 'demo';
    case 'integer':
    case 'number':
      return typeof known.minimum === 'number' ? known.minimum : 1;
    case 'boolean':
      return true;
    case 'array':
      return [];
    case 'null':
      return null;
    default: {
      const properties = (known.properties ?? {}) as Readonly<Record<string, unknown>>;
      const required = Array.isArray(known.required) ? known.required.map(String) : [];
      return Object.fromEntries(required.map((name) => [name, sample(properties[name], depth + 1) ?? 'demo']));
    }
  }
}

/** Pieces as the demo model writes them, a word with the space before it each: its tokens. Joined they are the text. */
export function demoTokens(text: string): string[] {
  return text.match(/\s*\S{1,12}|\s+$/g) ?? [];
}
