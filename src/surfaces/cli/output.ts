/** Where a command writes. People and programs read `print`, `json` and `table`; troubles go to `error`. */
export interface Output {
  /** A line, or several. */
  print(text: string): void;
  /** A paragraph after a mark, its further lines indented under it and broken where a terminal ends. */
  item(mark: string, text: string): void;
  /** One JSON value, indented on a terminal. */
  json(value: unknown): void;
  /**
   * Rows under headings, columns aligned, figures to the right; columns without anything in them are left out. Where a
   * terminal is too narrow for that, each row becomes a block of its own.
   */
  table(headings: readonly string[], rows: readonly (readonly string[])[]): void;
  error(text: string): void;
}

interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  /** Of a terminal. */
  readonly columns?: number;
}

export function outputTo(stdout: Stream, stderr: Stream): Output {
  const print = (text: string) => {
    stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  };
  const width = () => (stdout.isTTY === true ? (stdout.columns ?? 80) : Number.POSITIVE_INFINITY);
  return {
    print,
    item: (mark, text) => print(hanging(mark, text, width())),
    json: (value) => print(JSON.stringify(value, null, stdout.isTTY === true ? 2 : undefined)),
    table: (headings, rows) => print(tableText(headings, rows, width())),
    error: (text) => {
      stderr.write(text.endsWith('\n') ? text : `${text}\n`);
    },
  };
}

/** Control characters of a name in a row must not steer the terminal it is shown on. */
function printableText(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');
}

/** A time as people read it in a table: UTC to the second. */
export function shownTime(at: string | number): string {
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ');
}

/** A name in a table, unless it is the same in every row: then it says nothing. */
export function unlessAllSame<T>(rows: readonly T[], nameOf: (row: T) => string): (row: T) => string {
  const [first] = rows;
  const all = first !== undefined && rows.every((row) => nameOf(row) === nameOf(first));
  return (row) => (all ? '' : nameOf(row));
}

/** What stands in a cell that has nothing to say. */
const nothing = new Set(['', '-']);
const figure = /^-?\$?\d[\d.,]*( est\.)?$/;

interface Column {
  readonly heading: string;
  readonly cells: readonly string[];
  readonly width: number;
  readonly right: boolean;
}

function tableText(headings: readonly string[], rows: readonly (readonly string[])[], width: number): string {
  const columns = headings.map((heading, at): Column => {
    const cells = rows.map((row) => printableText(row[at] ?? ''));
    const filled = cells.filter((cell) => !nothing.has(cell));
    return {
      heading: heading.toUpperCase(),
      cells,
      width: Math.max(heading.length, ...cells.map((cell) => cell.length)),
      right: filled.length > 0 && filled.every((cell) => figure.test(cell)),
    };
  });
  const shown = columns.filter(({ cells }) => cells.some((cell) => !nothing.has(cell)));
  const total = shown.reduce((sum, column) => sum + column.width + 2, -2);
  return total <= width ? gridText(shown, rows.length) : blocksText(shown, rows.length);
}

function gridText(columns: readonly Column[], rows: number): string {
  const line = (cellOf: (column: Column) => string) =>
    columns
      .map((column) => (column.right ? cellOf(column).padStart(column.width) : cellOf(column).padEnd(column.width)))
      .join('  ')
      .trimEnd();
  const lines = Array.from({ length: rows }, (_, row) => line(({ cells }) => cells[row] ?? ''));
  return [line(({ heading }) => heading), ...lines].join('\n');
}

function blocksText(columns: readonly Column[], rows: number): string {
  const wide = Math.max(...columns.map(({ heading }) => heading.length));
  const block = (row: number) =>
    columns.map(({ heading, cells }) => `${heading.padEnd(wide)}  ${cells[row] ?? ''}`.trimEnd()).join('\n');
  return Array.from({ length: rows }, (_, row) => block(row)).join('\n\n');
}

function hanging(mark: string, text: string, width: number): string {
  const room = Math.max(20, width - mark.length);
  const lines = text.split('\n').flatMap((line) => broken(line, room));
  return lines.map((line, at) => (at === 0 ? mark : ' '.repeat(mark.length)) + line).join('\n');
}

/** A line broken between words; a word that is longer than the line stays whole, for it may be a path. */
function broken(line: string, width: number): string[] {
  if (line.length <= width) return [line];
  const lines: string[] = [];
  let current = '';
  for (const word of line.split(' ')) {
    if (current !== '' && current.length + 1 + word.length > width) {
      lines.push(current);
      current = word;
    } else {
      current = current === '' ? word : `${current} ${word}`;
    }
  }
  return [...lines, current];
}
