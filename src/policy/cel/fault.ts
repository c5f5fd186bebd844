/** What is wrong with an expression, and at which characters of its text. Offsets are UTF-16, from 0. */
export interface Fault {
  readonly at: number;
  readonly end: number;
  readonly message: string;
  /** The nearest valid name, where one is near. */
  readonly suggestion?: string;
}

/** A text that is no expression. */
export class SyntaxFault extends Error {
  readonly fault: Fault;

  constructor(at: number, end: number, message: string) {
    super(message);
    this.name = 'SyntaxFault';
    this.fault = { at, end, message };
  }
}

/** A fault for people: its line, and a mark under the characters it is about. */
export function faultText(text: string, { at, end, message, suggestion }: Fault): string {
  const start = text.lastIndexOf('\n', at - 1) + 1;
  const stop = text.indexOf('\n', at);
  const whole = text.slice(start, stop < 0 ? text.length : stop);
  // A long line is shown around the place only.
  const from = Math.max(0, at - start - 60);
  const line = whole.slice(from, from + 120);
  const lines = text.slice(0, start).split('\n').length;
  const marks = '^'.repeat(Math.max(1, Math.min(end - at, line.length - (at - start - from))));
  const meant = suggestion === undefined ? '' : ` (did you mean ${suggestion}?)`;
  return `${lines}:${at - start + 1}: ${message}${meant}\n  ${line}\n  ${' '.repeat(at - start - from)}${marks}`;
}
