import { type CST, Lexer, Parser } from 'yaml';

/** Why a text is not read any further, and where. */
export class TooMuch extends Error {
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/** Bounds of what is read token by token. */
export interface TokenLimits {
  readonly tokens: number;
  readonly depth: number;
  readonly documents: number;
}

/**
 * The tokens of a stream of YAML, counted while they are read: a text of a few megabytes can hold millions of them, or open
 * a million brackets, and would be parsed for minutes before anything refused it.
 * @throws TooMuch
 */
export function yamlTokens(text: string, onLine: (offset: number) => void, limits: TokenLimits): CST.Token[] {
  const parser = new Parser(onLine);
  onLine(0);
  const tokens: CST.Token[] = [];
  let [count, brackets, inLine, documents, offset] = [0, 0, 0, 0, 0];
  for (const piece of new Lexer().lex(text)) {
    if (++count > limits.tokens) throw new TooMuch(`more than ${limits.tokens} words and signs in a file`, offset);
    if (piece === '[' || piece === '{') brackets++;
    else if (piece === ']' || piece === '}') brackets--;
    else if (piece === '---') documents++;
    else if (piece === '\n' || piece === '\r\n') inLine = 0;
    else if (brackets === 0 && (piece === '-' || piece === '?' || piece === ':')) inLine++;
    if (brackets > limits.depth || inLine > limits.depth)
      throw new TooMuch(`nested deeper than ${limits.depth} levels`, offset);
    if (documents > limits.documents) throw new TooMuch(`more than ${limits.documents} documents in a file`, offset);
    for (const token of parser.next(piece)) tokens.push(token);
    offset = parser.offset;
  }
  for (const token of parser.end()) tokens.push(token);
  return tokens;
}
