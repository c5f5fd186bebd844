/** RFC 3339, or a date alone (its first moment in UTC), as Unix ms; undefined where it is none, or no day of the calendar. */
export function instantOf(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d))?$/.test(text)) return undefined;
  const date = text.slice(0, 10);
  const day = Date.parse(date);
  // 31 February is the 3rd of March to JavaScript.
  if (Number.isNaN(day) || new Date(day).toISOString().slice(0, 10) !== date) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}
