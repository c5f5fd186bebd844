import { test } from 'vitest';
import { redactReplies } from '../support/forbidden.ts';
import { guarded, programOf } from '../support/guarded.ts';

const program = programOf([redactReplies]);
const O = { provider: 'openai-chat', client: 'openai-chat', stream: true } as const;
const OP = { ...O, stream: false } as const;
const A = { provider: 'anthropic-messages', client: 'anthropic-messages', stream: true } as const;
const AP = { ...A, stream: false } as const;
const AO = { ...A, client: 'openai-chat' } as const;
const card = '4111 1111 1111 1111';
const d = (choices: unknown, more = {}) => `data: ${JSON.stringify({ id: 'a', choices, ...more })}\n\n`;
const c = (delta: unknown, index = 0, more = {}) => ({ index, delta, finish_reason: null, ...more });
const fin = d([{ index: 0, delta: {}, finish_reason: 'stop' }]) + 'data: [DONE]\n\n';
const ev = (type: string, m: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...m })}\n\n`;
const aStart = ev('message_start', { message: { id: 'm', content: [], usage: { input_tokens: 1, output_tokens: 1 } } });
const aEnd = ev('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 1 } }) + ev('message_stop', {});
const blk = (i: number, content_block: object, ...deltas: object[]) => ev('content_block_start', { index: i, content_block }) + deltas.map((delta) => ev('content_block_delta', { index: i, delta })).join('') + ev('content_block_stop', { index: i });

const cases: Record<string, [any, string[]]> = {
  A_choiceOrder: [O, [d([c({ aside: 'x' }, 0), c({ aside: '4111 1111 ' }, 1)]), d([c({ aside: '1111 1111' }, 1)]), d([c({}, 0, { finish_reason: 'stop' }), c({}, 1, { finish_reason: 'stop' })]), 'data: [DONE]\n\n']],
  B_toolPos: [O, [d([c({ tool_calls: [{ index: 0, id: 'a', function: { name: 'f', arguments: '{}', aside: '4111 1111 ' } }] })]), d([c({ tool_calls: [{ index: 1, id: 'b', function: { name: 'g', arguments: '{}', aside: 'foo' } }] })]), d([c({ tool_calls: [{ index: 0, function: { aside: '1111 1111' } }] })]), fin]],
  C_contentObject: [O, [d([c({ content: { text: card } })]), fin]],
  C_argsObject: [O, [d([c({ tool_calls: [{ index: 0, id: 'a', function: { name: 'f', arguments: { a: card } } }] })]), fin]],
  C_argsObjectPlain: [OP, [JSON.stringify({ choices: [{ index: 0, message: { tool_calls: [{ id: 'a', function: { name: 'f', arguments: { a: card } } }] }, finish_reason: 'stop' }] })]],
  C_toolCallsObject: [O, [d([c({ tool_calls: { index: 0, id: 'a', function: { name: 'f', arguments: card } } })]), fin]],
  C_functionCallString: [O, [d([c({ function_call: card })]), fin]],
  C_refusalArray: [O, [d([c({ refusal: [card] })]), fin]],
  C_deltaString: [O, [d([c(card)]), fin]],
  C_messageString: [OP, [JSON.stringify({ choices: [{ index: 0, message: card, finish_reason: 'stop' }] })]],
  C_textObject: [O, [d([{ index: 0, text: { a: card } }]), fin]],
  C_choicesObject: [O, [d({ 0: c({ content: card }) }), fin]],
  C_customObj: [O, [d([c({ tool_calls: [{ index: 0, id: 'a', custom: { name: 'f', input: { a: card } } }] })]), fin]],
  C_functionString: [O, [d([c({ tool_calls: [{ index: 0, id: 'a', function: card }] })]), fin]],
  C_audioString: [O, [d([c({ audio: card })]), fin]],
  C_partsTextObj: [O, [d([c({ content: [{ type: 'text', text: { value: card } }] })]), fin]],
  D_key: [O, [d([c({ aside: { [card]: 1 } })]), fin]],
  D_number: [O, [d([c({ aside: { a: 4111111111111111 } })]), fin]],
  D_topKey: [O, [d([c({ content: 'x' })], { [card]: 1 }), fin]],
  D_topNumber: [O, [d([c({ content: 'x' })], { foo: 4111111111111111 }), fin]],
  E_logprobs: [O, [d([c({ content: '' }, 0, { logprobs: { content: [{ token: '4111 1111 ' }, { token: '1111 1111' }] } })]), fin]],
  E_logprobs1: [O, [d([c({ content: '' }, 0, { logprobs: { content: [{ token: card }] } })]), fin]],
  F_name: [O, [d([c({ aside: { name: card } })]), fin]],
  F_topName: [O, [d([c({ content: 'x' })], { foo: { name: card } }), fin]],
  F_annot: [O, [d([c({ annotations: [{ type: 'url_citation', url_citation: { title: card } }] })]), fin]],
  F_data: [A, [aStart, blk(0, { type: 'web_fetch_tool_result', tool_use_id: 't', content: { type: 'web_fetch_result', content: { type: 'document', source: { type: 'text', media_type: 'text/plain', data: card } } } }), aEnd]],
  F_dataPlain: [AP, [JSON.stringify({ content: [{ type: 'web_fetch_tool_result', tool_use_id: 't', content: { type: 'web_fetch_result', content: { type: 'document', source: { type: 'text', media_type: 'text/plain', data: card } } } }], stop_reason: 'end_turn' })]],
  F_textInput: [A, [aStart, blk(0, { type: 'text', text: '', input: card }), aEnd]],
  F_nameA: [A, [aStart, blk(0, { type: 'new_thing', name: card, model: card }), aEnd]],
  F_textObj: [A, [aStart, blk(0, { type: 'text', text: { a: card } }), aEnd]],
  J_toolName: [O, [d([c({ tool_calls: [{ index: 0, id: 'a', function: { name: card, arguments: '{}' } }] })]), fin]],
  M_seam: [AO, [aStart, blk(0, { type: 'text', text: '' }, { type: 'text_delta', text: 'a 4111 1111 ' }), blk(1, { type: 'text', text: '' }, { type: 'text_delta', text: '1111 1111 b' }), aEnd]],
  M_seamSame: [A, [aStart, blk(0, { type: 'text', text: '' }, { type: 'text_delta', text: 'a 4111 1111 ' }), blk(1, { type: 'text', text: '' }, { type: 'text_delta', text: '1111 1111 b' }), aEnd]],
  N_topSplit: [O, [d([c({ content: 'x' })], { foo: '4111 1111 ' }), d([c({ content: 'x' })], { foo: '1111 1111' }), fin]],
  N_choiceSplit: [O, [d([c({ content: 'x' }, 0, { foo: '4111 1111 ' })]), d([c({ content: 'x' }, 0, { foo: '1111 1111' })]), fin]],
  N_xgroq: [O, [d([c({ content: 'x' })], { x_groq: { error: card } }), fin]],
  N_filter: [O, [d([c({ content: 'x' }, 0, { content_filter_results: { detail: card } })]), fin]],
  N_comment: [O, [`: ${card}\n\n`, d([c({ content: 'x' })]), fin]],
  N_commentIn: [O, [`: ${card}\n` + d([c({ content: 'x' })]), fin]],
  N_idline: [O, [`id: ${card}\n` + d([c({ content: 'x' })]), fin]],
  N_errmsg: [O, [d([c({ content: 'x' })]), `data: ${JSON.stringify({ error: { message: card } })}\n\n`]],
  N_afterDone: [O, [fin, d([c({ content: card })])]],
  N_messageBeside: [O, [d([c({ content: 'x' }, 0, { message: { content: card } })]), fin]],
};
test('explore', async () => {
  for (const [name, [sides, pieces]] of Object.entries(cases)) {
    const out = await guarded(program, sides, pieces);
    const text = out.bytes.toString();
    const joined = [...text.matchAll(/"(?:aside|foo|content|text)":"([^"]*)"/g)].map((m) => m[1]).join('');
    const leak = text.includes(card) || text.includes('4111111111111111') || joined.includes(card) || text.includes('4111 1111 ');
    console.log((leak ? 'LEAK ' : 'ok   ') + name, out.status, out.failure?.message ?? '', leak ? '' : text.slice(0, 0));
  }
});
