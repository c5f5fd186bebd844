import type { Lines } from '../lines.ts';
import type { Message } from './outbox.ts';

/** What stands between the words of a settlement. */
const before = {
  n: Buffer.from('{"op":"settle","n":'),
  id: Buffer.from(',"id":'),
  organization: Buffer.from(',"organization":'),
  nusd: Buffer.from(',"nusd":'),
  tokens: Buffer.from(',"tokens":'),
  at_ms: {
    exact: Buffer.from(',"estimated":false,"at_ms":'),
    estimated: Buffer.from(',"estimated":true,"at_ms":'),
  },
  input: Buffer.from(',"input":'),
  labels: Buffer.from(',"labels":"'),
};
const end = Buffer.from('}\n');
const labels_end = Buffer.from('"}\n');

/** A message that has a number as a line of the outbox: what `JSON.stringify` makes of it. */
export function putMessage(lines: Lines, message: Message): void {
  const { op, n = 0 } = message;
  if (op === 'release') {
    lines.text(`${JSON.stringify(message)}\n`);
    return;
  }
  lines.put(before.n);
  lines.whole(n);
  lines.put(before.id);
  lines.quoted(message.id);
  lines.put(before.organization);
  lines.quoted(message.organization);
  lines.put(before.nusd);
  lines.whole(message.nusd);
  lines.put(before.tokens);
  lines.whole(message.tokens);
  lines.put(message.estimated ? before.at_ms.estimated : before.at_ms.exact);
  lines.whole(message.at_ms);
  if (message.input !== undefined) {
    lines.put(before.input);
    lines.whole(message.input);
  }
  if (message.labels === undefined) {
    lines.put(end);
    return;
  }
  // Labels as one word have nothing that JSON writes otherwise.
  lines.put(before.labels);
  lines.letters(message.labels);
  lines.put(labels_end);
}
