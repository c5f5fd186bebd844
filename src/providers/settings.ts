import Type, { type Static } from 'typebox';
import type { Secret } from '../exchange/index.ts';
import { encodingNames } from './tokens/encoding.ts';

const closed = { additionalProperties: false } as const;

/** Ids stand in metric labels and headers: no separators of those. */
const idSchema = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$', description: 'Letters, digits, . _ -' });

const secretSchema = Type.Unsafe<Secret>({
  type: 'string',
  format: 'secret',
  description: 'A reference to the environment, a file or a vault; never the key itself',
});

const headerName = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";

const count = Type.Integer({ minimum: 1, maximum: 1_000_000 });

/** US dollars per million tokens; six decimals are exact (a pico-dollar a token). */
const rate = (description: string) =>
  Type.Optional(Type.Number({ minimum: 0, maximum: 1_000_000, description: `${description}, USD per million tokens` }));

const rates = {
  input_usd_per_mtok: rate('Input'),
  output_usd_per_mtok: rate('Output'),
  cached_input_usd_per_mtok: rate('Input read from the cache; input where left out'),
  cache_write_usd_per_mtok: rate('Input written to the cache; input where left out'),
  cache_write_1h_usd_per_mtok: rate('Input written to the cache for an hour; cache write where left out'),
  reasoning_usd_per_mtok: rate('Hidden reasoning; output where left out'),
  audio_input_usd_per_mtok: rate('Audio input; input where left out'),
  audio_output_usd_per_mtok: rate('Audio output; output where left out'),
  image_input_usd_per_mtok: rate('Tokens of images; input where left out'),
};

const longContextSchema = Type.Object(
  {
    above_tokens: Type.Integer({ minimum: 1, description: 'Input tokens above which these rates hold for all' }),
    ...rates,
  },
  closed,
);

const dateSchema = Type.String({
  pattern: '^\\d{4}-\\d{2}-\\d{2}$',
  description: 'UTC day from which the price holds',
});

const tiersSchema = Type.Optional(
  Type.Record(Type.String(), Type.Object({ ...rates, long_context: Type.Optional(longContextSchema) }, closed), {
    description: "By the provider's name of the tier: batch, flex, priority",
  }),
);

const discountSchema = Type.Optional(
  Type.Number({ minimum: 0, maximum: 100, description: 'What a contract takes off every price, two decimals at most' }),
);

const priceFields = {
  ...rates,
  regions: Type.Optional(
    Type.Record(
      Type.String(),
      Type.Object(
        {
          percent: Type.Optional(
            Type.Number({ minimum: 1, maximum: 1000, description: 'Of the prices above, two decimals at most' }),
          ),
          ...rates,
          long_context: Type.Optional(longContextSchema),
          service_tiers: tiersSchema,
        },
        closed,
      ),
      { description: "By the provider's region: rates instead of those above, or a percent of them" },
    ),
  ),
  discount_percent: discountSchema,
  long_context: Type.Optional(longContextSchema),
  service_tiers: tiersSchema,
  inference_geo_percent: Type.Optional(
    Type.Record(Type.String(), Type.Number({ minimum: 100, maximum: 1000 }), {
      description: "Of the prices of tokens above, by where the request has the model run (Anthropic's inference_geo)",
    }),
  ),
  tool_call_usd: Type.Optional(
    Type.Record(Type.String(), Type.Number({ minimum: 0, maximum: 1000 }), {
      description: 'Hosted tools billed by the call, USD each',
    }),
  ),
};

const imageRuleSchema = Type.Union(
  [
    Type.Object({ by: Type.Enum(['tiles']), base: count, tile: count }, closed),
    Type.Object({ by: Type.Enum(['patches']), most: count, factor_percent: count }, closed),
    Type.Object({ by: Type.Enum(['area']), pixels_per_token: count, most: count }, closed),
  ],
  { description: 'How its vendor counts an image; the dearest of all vendors where left out' },
);

const modelSchema = Type.Object(
  {
    name: Type.Optional(
      Type.String({ minLength: 1, description: 'What the provider calls it where that differs: a deployment' }),
    ),
    ...priceFields,
    valid_from: Type.Optional(dateSchema),
    other_prices: Type.Array(Type.Object({ ...priceFields, valid_from: dateSchema }, closed), {
      default: [],
      description: 'Earlier and coming prices: the latest that has begun holds',
    }),
    context_tokens: Type.Optional(Type.Integer({ minimum: 1 })),
    output_tokens_max: Type.Optional(Type.Integer({ minimum: 1 })),
    hosted_calls_max: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 10_000,
        description: 'Calls of each hosted tool that are held for where the request sets no max_uses; default 10',
      }),
    ),
    hosted_input_tokens_max: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'Input held for that the provider reads by itself (hosted tools, files); default one context',
      }),
    ),
    reasoning: Type.Optional(Type.Boolean({ description: 'Produces output it does not show' })),
    tokenizer: Type.Optional(
      Type.Enum([...encodingNames, 'none'], {
        description: 'What it cuts text with; where none is public, bytes are the bound',
      }),
    ),
    image_tokens: Type.Optional(imageRuleSchema),
    modalities: Type.Optional(Type.Array(Type.Enum(['text', 'image', 'audio', 'video', 'document']))),
  },
  closed,
);

const authSchema = Type.Object(
  {
    type: Type.Enum(['bearer', 'header', 'query', 'none', 'sigv4', 'google'], {
      description: 'How the key is sent; sigv4 and google are not supported yet',
    }),
    key: Type.Optional(secretSchema),
    name: Type.Optional(Type.String({ pattern: headerName, description: 'Name of the header or query parameter' })),
    optional: Type.Boolean({ default: false, description: 'An empty key sends none instead of being an error' }),
    region: Type.Optional(Type.String({ description: 'sigv4 only' })),
  },
  closed,
);

/** A file of `providers/`. */
export const providerSchema = Type.Object(
  {
    id: idSchema,
    format: Type.Enum(['openai', 'anthropic', 'azure-openai', 'demo', 'gemini', 'bedrock', 'cohere'], {
      description: 'The wire language; gemini, bedrock and cohere are not supported yet',
    }),
    base_url: Type.Optional(Type.String({ description: 'http or https; requests go nowhere else' })),
    auth: Type.Optional(authSchema),
    enabled_if: Type.Optional(
      Type.Union([Type.String(), Type.Boolean()], { description: 'Off where this is empty or false' }),
    ),
    region: Type.Optional(Type.String({ minLength: 1 })),
    discount_percent: discountSchema,
    api_version: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9.-]+$', description: 'azure-openai only' })),
    headers: Type.Record(Type.String({ pattern: headerName }), Type.String(), {
      default: {},
      description: 'Sent with every request; win over what a client sends',
    }),
    models: Type.Record(Type.String(), modelSchema, {
      description: 'By the name clients use; one with * stands for all that fit',
    }),
    quirks: Type.Object(
      {
        drop_fields: Type.Array(Type.String({ minLength: 1 }), { default: [], description: 'Fields the API refuses' }),
        rename_fields: Type.Record(Type.String(), Type.String({ minLength: 1 }), { default: {} }),
        stream_usage: Type.Enum(['ask', 'always', 'never'], {
          default: 'ask',
          description: 'Whether usage in streams must be asked for, comes always, or never comes',
        }),
      },
      { ...closed, default: {}, description: 'Where the provider differs from its format' },
    ),
    health: Type.Optional(
      Type.Object(
        {
          path: Type.String({ pattern: '^/' }),
          interval_ms: Type.Integer({ minimum: 1000, default: 30_000 }),
        },
        { ...closed, description: 'Active checks are not made yet' },
      ),
    ),
    connections: Type.Object(
      {
        max: Type.Integer({ minimum: 1, maximum: 65_535, default: 512, description: 'Connections to the provider' }),
        waiting_max: Type.Integer({ minimum: 0, default: 1024, description: 'Calls that may wait for a free one' }),
        keep_alive_ms: Type.Integer({ minimum: 1, default: 30_000, description: 'How long an unused one is kept' }),
      },
      { ...closed, default: {} },
    ),
  },
  closed,
);

/** The section `models`: names clients may use. */
export const modelsSchema = Type.Record(
  Type.String(),
  Type.Object(
    {
      candidates: Type.Array(
        Type.Object(
          {
            provider: idSchema,
            model: Type.String({ minLength: 1 }),
            weight: Type.Number({ minimum: 0, default: 1, description: '0 is tried only when the others failed' }),
          },
          closed,
        ),
        { minItems: 1 },
      ),
      strategy: Type.Enum(['fallback', 'weighted', 'round_robin'], {
        default: 'fallback',
        description: 'Which is tried first; the others follow when it fails',
      }),
    },
    closed,
  ),
  { default: {}, description: 'Names clients may use' },
);

/** The section `routing`. */
export const routingSchema = Type.Object(
  {
    retries: Type.Integer({ minimum: 0, maximum: 10, default: 2, description: 'Attempts beyond the first' }),
    timeout_ms: Type.Integer({ minimum: 1, default: 600_000, description: 'Whole exchange' }),
    connect_timeout_ms: Type.Integer({ minimum: 1, default: 10_000 }),
    first_token_timeout_ms: Type.Integer({ minimum: 1, default: 60_000, description: 'Streams only' }),
    backoff_ms: Type.Integer({ minimum: 1, default: 250, description: 'Before the first retry; doubles each time' }),
    backoff_max_ms: Type.Integer({ minimum: 1, default: 8_000 }),
    retry_after_max_ms: Type.Integer({
      minimum: 0,
      default: 10_000,
      description: 'A provider that asks for a longer wait is not tried again',
    }),
    circuit: Type.Object(
      {
        failures: Type.Integer({ minimum: 1, default: 5 }),
        open_ms: Type.Integer({ minimum: 1, default: 30_000 }),
      },
      { ...closed, default: {} },
    ),
  },
  { ...closed, default: {} },
);

export type ProviderSettings = Static<typeof providerSchema>;
export type ModelSettings = ProviderSettings['models'][string];
export type ModelsSettings = Static<typeof modelsSchema>;
export type RoutingSettings = Static<typeof routingSchema>;
