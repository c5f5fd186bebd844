/** What the demo model reads of a chat request. */
export interface DemoRequest {
  readonly model: string;
  /** Text of the last message, with its role. */
  readonly lastText: string;
  readonly lastRole: string;
  /** Every text of the conversation, for counting. */
  readonly allText: string;
  readonly firstTool: { readonly name: string; readonly parameters: unknown } | undefined;
  readonly toolWanted: boolean;
  readonly stream: boolean;
  readonly usageAsked: boolean;
  readonly choices: number;
  readonly maxTokens: number;
  readonly structured: boolean;
}

/** The most the demo model writes, whatever it is asked to. */
export const demoOutputTokensMax = 4096;

type Fields = Readonly<Record<string, unknown>>;

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(content: unknown): string {
  if (typeof content === 'string') return content;
  return list(content)
    .map((part) => fields(part).text)
    .filter((part) => typeof part === 'string')
    .join(' ');
}

function whole(value: unknown, least: number, most: number): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) ? Math.min(Math.max(value, least), most) : undefined;
}

/** Reads a body; undefined where it is not a chat request. */
export function readDemoRequest(body: Buffer | undefined): DemoRequest | undefined {
  let parsed: Fields;
  try {
    parsed = fields(JSON.parse(body?.toString('utf8') ?? ''));
  } catch {
    return undefined;
  }
  const messages = list(parsed.messages).map(fields);
  const last = messages.at(-1);
  if (typeof parsed.model !== 'string' || last === undefined) return undefined;
  const tools = list(parsed.tools).map((tool) => fields(fields(tool).function));
  const choice = parsed.tool_choice;
  const named = fields(fields(choice).function).name;
  const tool = tools.find((known) => known.name === named) ?? tools[0];
  return {
    model: parsed.model,
    lastText: text(last.content),
    lastRole: String(last.role),
    allText: messages.map((message) => text(message.content)).join('\n'),
    firstTool: typeof tool?.name === 'string' ? { name: tool.name, parameters: tool.parameters } : undefined,
    toolWanted:
      choice === 'required' ||
      typeof named === 'string' ||
      (choice !== 'none' && /\bcall the tool\b/i.test(text(last.content))),
    stream: parsed.stream === true,
    usageAsked: fields(parsed.stream_options).include_usage === true,
    choices: whole(parsed.n, 1, 16) ?? 1,
    maxTokens:
      whole(parsed.max_completion_tokens, 1, demoOutputTokensMax) ??
      whole(parsed.max_tokens, 1, demoOutputTokensMax) ??
      demoOutputTokensMax,
    structured: String(fields(parsed.response_format).type ?? 'text') !== 'text',
  };
}
