import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';

/** Where references are read from. */
export interface References {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Directory that relative `${file:...}` paths start from. */
  readonly base: string;
  /** A variable or file that is not there is empty, not a problem: for what is switched off. */
  readonly lenient?: boolean;
  /** Told every file that was read, so that it can be watched. */
  readonly onFile?: (path: string) => void;
}

type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'env'; readonly name: string; readonly fallback: string | undefined }
  | { readonly kind: 'file'; readonly path: string };

/** What a text with references came to. */
export interface Expanded {
  readonly text: string;
  /** Whether the text had any reference. */
  readonly referenced: boolean;
  /** Whether all of it came through one reference: nothing of it stands in the file. */
  readonly bare: boolean;
  readonly problems: readonly string[];
}

/** A secret in a file is a line, not a document. */
const fileBytesMax = 65_536;
const envPattern = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/**
 * Replaces `${NAME}`, `${NAME:-default}` (the default where the variable is unset or empty, as in a shell) and
 * `${file:/path}` (without its last line break) anywhere in a text; `$${` stands for `${` itself. What a reference
 * brings in is not looked at again.
 */
export function expandReferences(text: string, references: References): Expanded {
  if (!text.includes('${')) return { text, referenced: false, bare: false, problems: [] };
  const problems: string[] = [];
  const pieces = split(text, problems);
  const values = pieces.map((piece) => textOf(piece, references, problems));
  const only = pieces.length === 1 ? pieces[0] : undefined;
  return {
    text: values.join(''),
    referenced: pieces.some((piece) => piece.kind !== 'text'),
    bare: only !== undefined && (only.kind === 'file' || (only.kind === 'env' && !only.fallback)),
    problems,
  };
}

function split(text: string, problems: string[]): readonly Piece[] {
  const pieces: Piece[] = [];
  let literal = '';
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf('${', at);
    if (open < 0) break;
    if (text[open - 1] === '$' && open > at) {
      literal += `${text.slice(at, open - 1)}\${`;
      at = open + 2;
      continue;
    }
    literal += text.slice(at, open);
    const close = text.indexOf('}', open);
    if (close < 0) {
      problems.push("a reference is opened with '${' and not closed; write '$${' for the characters themselves");
      return pieces;
    }
    const piece = reference(text.slice(open + 2, close), problems);
    if (literal !== '') pieces.push({ kind: 'text', text: literal });
    literal = '';
    if (piece !== undefined) pieces.push(piece);
    at = close + 1;
  }
  literal += text.slice(at);
  if (literal !== '') pieces.push({ kind: 'text', text: literal });
  return pieces;
}

function reference(inner: string, problems: string[]): Piece | undefined {
  if (inner.includes('${')) {
    problems.push('a reference inside a reference is not supported');
    return undefined;
  }
  if (inner.startsWith('file:')) {
    const path = inner.slice('file:'.length);
    if (path !== '') return { kind: 'file', path };
    problems.push(`'\${file:...}' names no file`);
    return undefined;
  }
  for (const source of ['vault', 'aws-sm']) {
    if (!inner.startsWith(`${source}:`)) continue;
    problems.push(`secrets from '${source}' are not supported yet; use \${NAME} or \${file:/path}`);
    return undefined;
  }
  const match = envPattern.exec(inner);
  if (match?.[1] !== undefined) return { kind: 'env', name: match[1], fallback: match[2] };
  problems.push(
    `not a reference: write '\${NAME}', '\${NAME:-default}' or '\${file:/path}', or '$\${' for the characters`,
  );
  return undefined;
}

function textOf(piece: Piece, references: References, problems: string[]): string {
  switch (piece.kind) {
    case 'text':
      return piece.text;
    case 'env': {
      const value = Object.hasOwn(references.env, piece.name) ? references.env[piece.name] : undefined;
      if (piece.fallback !== undefined) return value || piece.fallback;
      if (value === undefined && references.lenient !== true)
        problems.push(`the environment variable ${piece.name} is not set`);
      return value ?? '';
    }
    case 'file':
      return contentOf(resolve(references.base, piece.path), piece.path, references, problems);
  }
}

function contentOf(path: string, shown: string, references: References, problems: string[]): string {
  references.onFile?.(path);
  try {
    if (statSync(path).size > fileBytesMax) {
      problems.push(`the file ${shown} is larger than ${fileBytesMax} bytes`);
      return '';
    }
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    if (references.lenient === true) return '';
    problems.push(`the file ${shown} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`);
    return '';
  }
}
