/**
 * Requests as clients write them, odd spacing, key order and number spelling included. `§` stands where a text is asked
 * to be redacted: in a JSON string; in arguments it is one more level down, in a string of JSON.
 */
export const openaiTemplate = `{"model":"gpt-4o", "max_tokens":64,"temperature":1.0,
"messages":[
 {"role":"system","content":"Be kind. § here"},
 {"role":"developer","content":[{"type":"text","text":"parts § of it"}]},
 {"role":"user","content":"string § content","name":"u §"},
 {"role":"user","content":[{"type":"text", "text":"first"},{"type":"text","text":"nested § part"},{"type":"image_url","image_url":{"url":"https://a.example/i.png?q=§","detail":"low"}}]},
 {"role":"assistant","content":null,"refusal":"no § no","tool_calls":[
   {"id":"c1","type":"function","function":{"name":"look","arguments":"{\\"who\\": \\"§\\", \\"deep\\":[{\\"a\\":\\"x § y\\"}], \\"n\\": 1e3}"}},
   {"id":"c2","type":"custom","custom":{"name":"sh","input":"echo § done"}}]},
 {"role":"tool","tool_call_id":"c1","content":"result § end"},
 {"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"part of a result §"}]},
 {"role":"assistant","reasoning_content":"I think § then","content":"said §","function_call":{"name":"f","arguments":"{\\"q\\":\\"§\\"}"}},
 {"role":"function","name":"f","content":"old result §"}
],
"tools":[{"type":"function","function":{"name":"look","description":"Looks for §","parameters":{"type":"object","properties":{"who":{"type":"string","description":"such as §","enum":["§","b"]}}}}}],
"stop":["§"],"user":"§","metadata":{"note":"of §"},
"prediction":{"type":"content","content":"maybe §"},
"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"type":"object","description":"with §"}}}}`;

export const anthropicTemplate = `{"model":"claude-haiku-4-5", "max_tokens":64,"temperature":1.0,
"system":[{"type":"text","text":"Be kind. § here","cache_control":{"type":"ephemeral"}}],
"messages":[
 {"role":"user","content":"string § content"},
 {"role":"assistant","content":[{"type":"thinking","thinking":"I see","signature":"c2ln"},{"type":"text","text":"said §"},
   {"type":"tool_use","id":"t1","name":"look","input":{"who": "§", "deep":[{"a":"x § y"}], "n": 1e3}}]},
 {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"result § end"}]},
   {"type":"text","text":"nested § part"},
   {"type":"document","source":{"type":"text","media_type":"text/plain","data":"page §"},"title":"title §","context":"about §"}]},
 {"role":"assistant","content":[{"type":"tool_use","id":"t2","name":"look","input":{}}]},
 {"role":"user","content":[{"type":"tool_result","tool_use_id":"t2","content":"plain result §","is_error":true}]}
],
"tools":[{"name":"look","description":"Looks for §","input_schema":{"type":"object","properties":{"who":{"type":"string","description":"such as §","enum":["§","b"]}}}}],
"stop_sequences":["§"],"metadata":{"user_id":"§"}}`;

/** The template with a text in each of its places, escaped as its place demands. */
export function filled(template: string, text: string): string {
  const inString = JSON.stringify(text).slice(1, -1);
  const inArguments = JSON.stringify(inString).slice(1, -1);
  return template
    .split('\n')
    .map((line) => line.replaceAll('§', line.includes('"arguments":"') ? inArguments : inString))
    .join('\n');
}

/** How many places a template has. */
export function placesIn(template: string): number {
  return template.split('§').length - 1;
}

/** The template with the text in one place and nothing in the others. */
export function filledAt(template: string, place: number, text: string): string {
  let at = -1;
  const marked = template.replaceAll('§', () => {
    at += 1;
    return at === place ? '§' : '';
  });
  return filled(marked, text);
}
