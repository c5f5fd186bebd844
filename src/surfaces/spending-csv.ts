/** A row of a spending report: the names of its group, and its sums. */
type Row = Readonly<Record<string, unknown>>;

/** Columns behind the group's, and the field of a row that says each; dollars with every digit. */
const sums = [
  ['requests', 'requests'],
  ['input_tokens', 'input_tokens'],
  ['output_tokens', 'output_tokens'],
  ['cost_usd', 'cost_usd_exact'],
  ['estimated_usd', 'estimated_usd_exact'],
] as const;

/** A spending report as comma-separated values (RFC 4180), one line a row. */
export function spendingCsv(rows: readonly Row[], by: readonly string[]): string {
  const head = [...by, ...sums.map(([name]) => name)];
  const lines = rows.map((row) => [
    ...by.map((name) => cell(String(row[name]))),
    ...sums.map(([, field]) => String(row[field])),
  ]);
  return [head, ...lines].map((line) => `${line.join(',')}\r\n`).join('');
}

/** Names come from callers: one that a spreadsheet would take for a formula is shown as text. */
function cell(text: string): string {
  const safe = /^[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
