// Writes the models of providers/*.yaml anew from a price list: node scripts/prices.mjs FILE [YYYY-MM-DD]
// The list: { provider: { model: { input_usd_per_mtok, ... } } }, USD per million tokens. Which models are in the box,
// and what a list does not tell of them, is written here.
import { readFileSync, writeFileSync } from 'node:fs';

const [file, validFrom = '2026-07-01'] = process.argv.slice(2);
if (file === undefined) {
  console.error('usage: node scripts/prices.mjs FILE [YYYY-MM-DD]');
  process.exit(2);
}
const list = JSON.parse(readFileSync(file, 'utf8'));

const openaiModels =
  'gpt-4o gpt-4o-mini gpt-4.1 gpt-4.1-mini gpt-4.1-nano gpt-5 gpt-5-mini gpt-5-nano gpt-5.1 gpt-5.2 gpt-5.4 gpt-5.4-mini gpt-5.4-nano gpt-5.5 gpt-5.6 o3 o3-mini o4-mini gpt-4o-audio-preview gpt-5-chat-latest';

/** file: [section of the list, models, name clients use, name the provider uses, which of them reason out of sight, whether the vendor tells how it counts] */
const boxes = {
  openai: { from: 'openai', models: openaiModels, hidden: /^(o\d|gpt-5(?!.*chat))/, published: true },
  anthropic: {
    from: 'anthropic',
    models:
      'claude-haiku-4-5 claude-haiku-4-5-20251001 claude-sonnet-4-5 claude-sonnet-4-5-20250929 claude-sonnet-4-6 claude-sonnet-5 claude-opus-4-5 claude-opus-4-6 claude-opus-4-7 claude-opus-4-8 claude-opus-5',
    hidden: /./,
    published: true,
    // Ten dollars for a thousand searches (Anthropic, pricing, 2026-07).
    more: ['    tool_call_usd: { web_search: 0.01 }'],
  },
  'azure-openai': {
    from: 'azure',
    models: 'gpt-4o gpt-4o-mini gpt-4.1 gpt-4.1-mini gpt-4.1-nano gpt-5 gpt-5-mini gpt-5.1 gpt-5.4 gpt-5.5 o3 o4-mini',
    // A name of its own, so that OpenAI and Azure can be on together; the deployment is taken to be called as the model.
    client: (name) => `azure/${name}`,
    server: (name) => name,
    hidden: /^(o\d|gpt-5(?!.*chat))/,
    published: true,
  },
  groq: {
    from: 'groq',
    models:
      'llama-3.1-8b-instant llama-3.3-70b-versatile meta-llama/llama-4-scout-17b-16e-instruct meta-llama/llama-4-maverick-17b-128e-instruct moonshotai/kimi-k2-instruct-0905 openai/gpt-oss-120b openai/gpt-oss-20b qwen/qwen3-32b',
    hidden: /gpt-oss|qwen3/,
  },
  mistral: {
    from: 'mistral',
    models:
      'mistral-large-latest mistral-large-2512 mistral-medium-latest mistral-small-latest ministral-8b-latest codestral-latest devstral-latest devstral-medium-latest magistral-medium-latest magistral-small-latest pixtral-large-latest open-mistral-nemo',
    hidden: /magistral/,
  },
  deepseek: { from: 'deepseek', models: 'deepseek-chat deepseek-reasoner deepseek-v4-flash deepseek-v4-pro' },
  xai: {
    from: 'xai',
    models:
      'grok-3 grok-3-mini grok-4 grok-4-fast-reasoning grok-4-fast-non-reasoning grok-4-1-fast-reasoning grok-4-1-fast-non-reasoning grok-4.3 grok-4.5 grok-code-fast-1',
    hidden: /^grok-(3-mini|4(?!.*non-reasoning)|code)/,
  },
  together: {
    from: 'together',
    models:
      'meta-llama/Llama-3.3-70B-Instruct-Turbo meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8 meta-llama/Llama-4-Scout-17B-16E-Instruct deepseek-ai/DeepSeek-R1 deepseek-ai/DeepSeek-V3 deepseek-ai/DeepSeek-V3.1 Qwen/Qwen3-235B-A22B-Instruct-2507-tput Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8 Qwen/Qwen3.5-397B-A17B moonshotai/Kimi-K2-Instruct-0905 moonshotai/Kimi-K2.5 zai-org/GLM-4.7',
  },
  fireworks: {
    from: 'fireworks',
    models:
      'deepseek-r1-0528 deepseek-v3p2 glm-4p7 glm-5p1 gpt-oss-120b gpt-oss-20b kimi-k2-instruct-0905 kimi-k2p5 llama-v3p3-70b-instruct llama4-maverick-instruct-basic minimax-m2p1 qwen3-235b-a22b-instruct-2507 qwen3-coder-480b-a35b-instruct',
    client: (name) => `accounts/fireworks/models/${name}`,
    hidden: /gpt-oss/,
  },
  openrouter: {
    from: 'openrouter',
    models:
      'anthropic/claude-haiku-4.5 anthropic/claude-sonnet-4.6 anthropic/claude-opus-4.7 deepseek/deepseek-v3.2 deepseek/deepseek-r1-0528 google/gemini-2.5-flash google/gemini-2.5-pro google/gemini-3-flash-preview google/gemini-3.1-pro-preview minimax/minimax-m2.5 mistralai/mistral-large-2512 moonshotai/kimi-k2.5 openai/gpt-4o openai/gpt-4.1 openai/gpt-5 openai/gpt-5-mini openai/gpt-5.2 qwen/qwen3-coder x-ai/grok-4 z-ai/glm-5',
    hidden: /openai\/gpt-5|gemini|grok|claude/,
    published: true,
    // Everything else it has, by vendor/model; what that costs is not known.
    last: ['  "*/*": {}'],
  },
};

/**
 * Models whose tokeniser their vendor has published (openai/tiktoken, tiktoken/model.py, 2026): newer ones may cut
 * otherwise, and an exact count of the wrong tokeniser is no upper bound.
 */
const o200k = /^(openai\/)?(gpt-4o|gpt-4\.1|o3|o4-mini|gpt-5(-mini|-nano|-chat-latest)?$)/;

/** How an image is counted, by model (OpenAI and Anthropic, vision guides, 2026). What is left out costs the most there is. */
const imageRules = [
  [/gpt-4o-mini$/, '{ by: tiles, base: 2833, tile: 5667 }'],
  [/gpt-(4o|4\.1)$/, '{ by: tiles, base: 85, tile: 170 }'],
  [/gpt-5(-chat-latest)?$/, '{ by: tiles, base: 70, tile: 140 }'],
  [/o3$/, '{ by: tiles, base: 75, tile: 150 }'],
  [/gpt-(4\.1|5)-mini$/, '{ by: patches, most: 1536, factor_percent: 162 }'],
  [/gpt-(4\.1|5)-nano$/, '{ by: patches, most: 1536, factor_percent: 246 }'],
  [/o4-mini$/, '{ by: patches, most: 1536, factor_percent: 172 }'],
  [/^claude/, '{ by: area, pixels_per_token: 750, most: 4784 }'],
];

const rates = [
  'input',
  'output',
  'cached_input',
  'cache_write',
  'cache_write_1h',
  'reasoning',
  'audio_input',
  'audio_output',
];

function priceLines(known) {
  const has = (key) => typeof known[key] === 'number';
  const fields = [];
  for (const kind of rates) {
    const key = kind === 'reasoning' ? 'reasoning_usd_per_mtok' : `${kind}_usd_per_mtok`;
    if (!has(key)) continue;
    // Lists write 0 where a provider does not bill writes apart: they cost what input costs.
    if (kind === 'cache_write' && known[key] === 0 && known.input_usd_per_mtok > 0) continue;
    if (kind === 'reasoning' && known[key] === known.output_usd_per_mtok) continue;
    fields.push(`${key}: ${known[key]}`);
  }
  const lines = [`    ${fields.join('\n    ')}`];
  for (const above of [128, 200, 272]) {
    const prefix = `above_${above}k_`;
    if (!has(`${prefix}input_usd_per_mtok`)) continue;
    const long = rates
      .filter((kind) => has(`${prefix}${kind}_usd_per_mtok`))
      .map((kind) => `${kind}_usd_per_mtok: ${known[`${prefix}${kind}_usd_per_mtok`]}`);
    lines.push(`    long_context: { above_tokens: ${above * 1000}, ${long.join(', ')} }`);
  }
  const tiers = ['batch', 'flex', 'priority'].filter(
    (tier) => has(`${tier}_input_usd_per_mtok`) && has(`${tier}_output_usd_per_mtok`),
  );
  if (tiers.length > 0) {
    lines.push('    service_tiers:');
    for (const tier of tiers) {
      const input = known[`${tier}_input_usd_per_mtok`];
      const output = known[`${tier}_output_usd_per_mtok`];
      lines.push(`      ${tier}: { input_usd_per_mtok: ${input}, output_usd_per_mtok: ${output} }`);
    }
  }
  lines.push(`    valid_from: ${validFrom}`);
  if (has('context_tokens')) lines.push(`    context_tokens: ${known.context_tokens}`);
  if (has('output_tokens_max')) lines.push(`    output_tokens_max: ${known.output_tokens_max}`);
  return lines;
}

for (const [box, { from, models, client, server, hidden, published = false, more = [], last = [] }] of Object.entries(
  boxes,
)) {
  const lines = ['models:'];
  for (const name of models.split(' ')) {
    const known = list[from]?.[name];
    if (known === undefined) throw new Error(`${file} has no ${from} ${name}`);
    const called = client?.(name) ?? name;
    lines.push(`  ${JSON.stringify(called)}:`);
    if (server !== undefined) lines.push(`    name: ${JSON.stringify(server(name))}`);
    lines.push(...priceLines(known));
    if (hidden?.test(name)) lines.push('    reasoning: true');
    if (published && o200k.test(name)) lines.push('    tokenizer: o200k_base');
    const images = imageRules.find(([names]) => published && names.test(name))?.[1];
    if (images !== undefined) lines.push(`    image_tokens: ${images}`);
    lines.push(...more);
  }
  const path = new URL(`../providers/${box}.yaml`, import.meta.url);
  const text = readFileSync(path, 'utf8');
  const start = text.search(/^models:/m);
  if (start < 0) throw new Error(`${box}.yaml has no models: (they come last)`);
  writeFileSync(path, `${text.slice(0, start)}${[...lines, ...last].join('\n')}\n`);
}
