import type { Channel, Span } from '../exchange/index.ts';

/** The placeholder of a match: `${type}` in the policy's words becomes the type found. */
function withType(template: string, type: string): string {
  return template.replaceAll('$' + '{type}', () => type);
}

/** What stands in the place of a match. Inside tool arguments it is escaped, and quoted for a number: they stay JSON. */
export function placeholder(template: string, span: Span, channel: Channel): string {
  const text = withType(template, span.type);
  if (channel !== 'tool_arguments') return text;
  const quoted = JSON.stringify(text);
  return span.quote ? quoted : quoted.slice(1, -1);
}
