import { labelText } from '../labels.ts';
import type { Settlement } from '../ledger.ts';
import type { Message } from './outbox.ts';

type Settle = Extract<Message, { op: 'settle' }>;

/** What Redis is told of a settlement, whenever it can be told. */
export function settleMessage({ id, organization, amount, estimated, labels }: Settlement): Settle {
  const { nusd, tokens, input } = amount;
  const at_ms = Date.now();
  const text = labelText(labels);
  const message: { -readonly [K in keyof Settle]: Settle[K] } = {
    op: 'settle',
    n: 0,
    id,
    organization,
    nusd,
    tokens,
    estimated,
    at_ms,
  };
  if (input !== undefined) message.input = input;
  if (text !== '') message.labels = text;
  return message;
}
