import { test } from 'vitest';
import { clientTexts } from '../support/client-texts.ts';
import { guarded, programOf } from '../support/guarded.ts';
import { inPieces } from '../support/carried.ts';
const O = { provider: 'openai-chat', client: 'openai-chat', stream: true } as const;
const d = (choices: unknown, more = {}) => `data: ${JSON.stringify({ id: 'a', choices, ...more })}\n\n`;
const c = (delta: unknown, index = 0, more = {}) => ({ index, delta, finish_reason: null, ...more });
const fin = d([{ index: 0, delta: {}, finish_reason: 'stop' }]) + 'data: [DONE]\n\n';
const p = (rules: string) => `
metadata: { id: p, name: P, version: 1.0.0 }
rules:
${rules}`;
const note = `  - { id: n, on: response, condition: { operator: eq, field: rails.secrets.found, value: true }, action: { decision: audit, reason: seen } }\n`;
const red = `  - { id: r, on: response, action: { decision: modify, reason: x, redact: { rails: [pii], with: "[\${type}]" } } }\n`;
const redS = `  - { id: r, on: response, action: { decision: modify, reason: x, redact: { rails: [secrets], with: "[\${type}]" } } }\n`;
const den = `  - { id: d, on: response, condition: { operator: contains, field: response.text, value: NIGHTINGALE }, action: { decision: deny, reason: no } }\n`;
const cases: [string, string, string][] = [
  ['note+redact', p(note + red), `key glpat-${'kD93hfUe02LsmPq7xZbT'}.jane.doe@mail.example.org end`],
  ['redact+deny', p(redS + den), `key glpat-${'kD93hfUe02LsmPq7xZbT'}NIGHTINGALE1234 end`],
  ['note+redact2', p(note + red), `x-api-key: 4111111111111111 end. x-api-key: kD93hfUe02LsmPq7xZbT.4111111111111111 end`],
];
test('explore', async () => {
  for (const [name, policy, text] of cases) {
    const program = programOf([policy]);
    for (const pieces of [[text], inPieces(text, [1]), inPieces(text, [7])]) {
      const out = await guarded(program, O, [d([c({ role: 'assistant', content: '' })]), ...pieces.map((x) => d([c({ content: x })])), fin]);
      console.log(name, pieces.length, out.status, out.status === 200 ? clientTexts('openai-chat', true, out.bytes).get('0 content') : out.failure!.message, out.guarded.ending, JSON.stringify(out.guarded.found.map((f) => [f.span.rail, f.span.type, f.redacted])), out.guarded.decision?.decision);
    }
  }
});
