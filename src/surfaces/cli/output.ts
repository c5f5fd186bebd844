/** Where a command writes. People and programs read `print`, `json` and `table`; troubles go to `error`. */
export interface Output {
  /** A line, or several. */
  print(text: string): void;
  /** One JSON value, indented on a terminal. */
  json(value: unknown): void;
  /** Rows under headings, columns aligned. */
  table(headings: readonly string[], rows: readonly (readonly string[])[]): void;
  error(text: string): void;
}

interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

export function outputTo(stdout: Stream, stderr: Stream): Output {
  const print = (text: string) => {
    stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  };
  return {
    print,
    json: (value) => print(JSON.stringify(value, null, stdout.isTTY === true ? 2 : undefined)),
    table: (headings, rows) => print(tableText(headings, rows)),
    error: (text) => {
      stderr.write(text.endsWith('\n') ? text : `${text}\n`);
    },
  };
}

/** Control characters of a name in a row must not steer the terminal it is shown on. */
function printableText(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');
}

function tableText(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [headings.map((heading) => heading.toUpperCase()), ...rows.map((row) => row.map(printableText))];
  const widths = headings.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)));
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
