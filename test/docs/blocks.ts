import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../..');

/** A fenced block of a page. */
export interface Block {
  /** `README.md:12`. */
  readonly place: string;
  readonly language: string;
  readonly text: string;
}

/** Every fenced block of a page, in order. A fence that is not closed is an error of the page. */
export function blocksOf(file: string): readonly Block[] {
  const blocks: Block[] = [];
  let open: { readonly language: string; readonly line: number; readonly lines: string[] } | undefined;
  for (const [index, line] of readFileSync(join(root, file), 'utf8').split('\n').entries()) {
    const fence = /^```(\S*)/.exec(line);
    if (fence === null) open?.lines.push(line);
    else if (open === undefined) open = { language: fence[1] ?? '', line: index + 1, lines: [] };
    else {
      blocks.push({ place: `${file}:${open.line}`, language: open.language, text: open.lines.join('\n') });
      open = undefined;
    }
  }
  if (open !== undefined) throw new Error(`${file}:${open.line}: the block is not closed`);
  return blocks;
}

/** The file a block is to be saved as: its first line is a comment that names it. */
export function fileOf({ text }: Block): string | undefined {
  return /^# ([\w./-]+\.(?:yaml|json))$/m.exec(text.split('\n')[0] ?? '')?.[1];
}

/**
 * Whether an output is what a page shows. `…` stands for anything, white space for any white space; the numbers and
 * quotes that redis-cli puts around values on a terminal are left out.
 */
export function shows(shown: string, output: string): boolean {
  const words = shown
    .split('\n')
    .map((line) => line.replace(/^\s*\d+\) "(.*)"$/, '$1'))
    .join('\n')
    .trim()
    .split(/\s+/);
  const pattern = words
    .map((word) =>
      word
        .split('…')
        .map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
        .join('[\\s\\S]*?'),
    )
    .join('\\s*');
  return new RegExp(`^\\s*${pattern}\\s*$`).test(output);
}
