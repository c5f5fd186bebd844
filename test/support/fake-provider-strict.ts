import type { IncomingHttpHeaders } from 'node:http';

export type FakeFormat = 'openai-chat' | 'anthropic-messages';

type Fields = Record<string, unknown>;

/** Fields an API knows, by object. What is not listed is refused, as the real ones do: nothing of a gateway may leak in. */
const known = {
  'openai-chat': words(`model messages temperature top_p n stream stream_options stop max_tokens max_completion_tokens
    presence_penalty frequency_penalty logit_bias logprobs top_logprobs user safety_identifier prompt_cache_key
    prompt_cache_retention tools tool_choice parallel_tool_calls functions function_call response_format seed
    service_tier store metadata modalities audio prediction reasoning_effort verbosity web_search_options moderation
    include_reasoning reasoning_format reasoning`),
  'anthropic-messages': words(`model messages max_tokens system metadata stop_sequences stream temperature top_k top_p
    tools tool_choice thinking service_tier container mcp_servers context_management output_config output_format
    inference_geo cache_control speed`),
};
const knownIn = {
  'openai-chat': {
    message: words('role content name refusal audio tool_calls tool_call_id function_call reasoning_content reasoning'),
    roles: words('system developer user assistant tool function'),
    part: words('type text image_url input_audio file refusal prompt_cache_breakpoint'),
    stream_options: words('include_usage include_obfuscation'),
    tool: words('type function custom'),
  },
  'anthropic-messages': {
    message: words('role content'),
    roles: words('user assistant system'),
    part: words(`type text source cache_control citations id name input tool_use_id content is_error thinking signature
      data title context caller`),
    tool: words(`name description input_schema type cache_control strict eager_input_streaming defer_loading
      allowed_callers input_examples max_uses allowed_domains blocked_domains user_location display_width_px
      display_height_px display_number max_characters citations max_content_tokens model`),
  },
};

function words(text: string): Set<string> {
  return new Set(text.split(/\s+/));
}

/** What an API would refuse in this body, in words; undefined where it is right. */
export function wrongBody(format: FakeFormat, body: unknown): string | undefined {
  if (!isFields(body)) return 'the body is not a JSON object';
  const unknown = unknownIn(body, known[format]);
  if (unknown !== undefined) return `unknown field ${unknown}`;
  if (typeof body.model !== 'string' || body.model === '') return 'model is missing';
  if (body.stream !== undefined && body.stream !== null && typeof body.stream !== 'boolean')
    return 'stream is not a boolean';
  for (const name of ['max_tokens', 'max_completion_tokens', 'n']) {
    const value = body[name];
    if (value !== undefined && value !== null && !(Number.isInteger(value) && Number(value) >= 1)) {
      return `${name} is not a positive integer`;
    }
  }
  if (format === 'anthropic-messages' && body.max_tokens === undefined) return 'max_tokens is required';
  if (body.stream_options !== undefined && body.stream_options !== null) {
    if (body.stream !== true) return 'stream_options is only allowed when stream is true';
    if (!isFields(body.stream_options)) return 'stream_options is not an object';
    const option = unknownIn(body.stream_options, knownIn['openai-chat'].stream_options);
    if (option !== undefined) return `unknown field stream_options.${option}`;
  }
  return wrongMessages(format, body.messages) ?? wrongTools(format, body.tools);
}

function wrongMessages(format: FakeFormat, messages: unknown): string | undefined {
  if (!Array.isArray(messages) || messages.length === 0) return 'messages is not a list with something in it';
  for (const [index, message] of messages.entries()) {
    const at = `messages.${index}`;
    if (!isFields(message)) return `${at} is not an object`;
    const field = unknownIn(message, knownIn[format].message);
    if (field !== undefined) return `unknown field ${at}.${field}`;
    if (!knownIn[format].roles.has(String(message.role))) return `${at}.role ${String(message.role)} is unknown`;
    const { content } = message;
    if (typeof content === 'string') continue;
    if (content === null || content === undefined) {
      if (format === 'openai-chat' && message.role === 'assistant') continue;
      return `${at}.content is missing`;
    }
    if (!Array.isArray(content)) return `${at}.content is neither text nor a list`;
    for (const [number, part] of content.entries()) {
      if (!isFields(part)) return `${at}.content.${number} is not an object`;
      const inPart = unknownIn(part, knownIn[format].part);
      if (inPart !== undefined) return `unknown field ${at}.content.${number}.${inPart}`;
      if (typeof part.type !== 'string') return `${at}.content.${number}.type is missing`;
    }
  }
  return undefined;
}

function wrongTools(format: FakeFormat, tools: unknown): string | undefined {
  if (tools === undefined || tools === null) return undefined;
  if (!Array.isArray(tools)) return 'tools is not a list';
  for (const [index, tool] of tools.entries()) {
    if (!isFields(tool)) return `tools.${index} is not an object`;
    const field = unknownIn(tool, knownIn[format].tool);
    if (field !== undefined) return `unknown field tools.${index}.${field}`;
  }
  return undefined;
}

/** Headers that must never reach a provider, or must be there: every one that is wrong, in words. */
export function wrongHeaders(format: FakeFormat, headers: IncomingHttpHeaders): string[] {
  const wrong: string[] = [];
  for (const name of Object.keys(headers)) {
    if (/^(x-llm-|proxy-|x-forwarded-)|^(cookie|forwarded|x-real-ip|expect|transfer-encoding)$/.test(name)) {
      wrong.push(`${name} does not belong here`);
    }
    if (format === 'openai-chat' && name.startsWith('anthropic-')) wrong.push(`${name} does not belong here`);
    if (format === 'anthropic-messages' && name.startsWith('openai-')) wrong.push(`${name} does not belong here`);
  }
  if (headers['accept-encoding'] !== 'identity') wrong.push('accept-encoding is not identity');
  if (!/^application\/json\b/.test(headers['content-type'] ?? '')) wrong.push('content-type is not application/json');
  if (format === 'anthropic-messages' && headers['anthropic-version'] === undefined) {
    wrong.push('anthropic-version is missing');
  }
  const credentials = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'].filter((name) => name in headers);
  if (credentials.length > 1) wrong.push(`more than one credential: ${credentials.join(', ')}`);
  return wrong;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unknownIn(fields: Fields, names: ReadonlySet<string>): string | undefined {
  return Object.keys(fields).find((name) => !names.has(name));
}
