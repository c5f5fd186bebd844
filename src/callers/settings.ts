import Type, { type Static } from 'typebox';
import type { Secret } from '../exchange/index.ts';

const closed = { additionalProperties: false } as const;

/** Ids stand in metric labels, Redis keys and URLs: no separators of those. */
const idSchema = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$', description: 'Letters, digits, . _ -' });

const onLossSchema = Type.Optional(
  Type.Enum(['closed', 'local_share', 'open'], {
    description: "What it means while the ledger is lost; left out, what the state's on_loss says",
  }),
);

/** Ten minutes: longer than any client waits. */
const queueSchema = Type.Optional(
  Type.Integer({ minimum: 1, maximum: 600_000, description: 'How long a call waits for room before it is refused' }),
);

const budgetSchema = Type.Object(
  {
    window: Type.Enum(['minute', 'hour', 'day', 'week', 'month', 'total', 'rolling'], {
      description: 'A calendar window, all time, or the last rolling_hours at any moment',
    }),
    rolling_hours: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 8784, description: 'Length of a rolling window' }),
    ),
    limit_usd: Type.Optional(Type.Number({ minimum: 0, description: 'US dollars, exact to a nano-dollar' })),
    limit_tokens: Type.Optional(Type.Integer({ minimum: 0 })),
    limit_requests: Type.Optional(Type.Integer({ minimum: 0 })),
    on_exceed: Type.Enum(['deny', 'warn', 'substitute', 'throttle'], {
      default: 'deny',
      description:
        'deny refuses, warn counts and tells, substitute goes on with substitute_model, throttle waits up to queue_ms',
    }),
    substitute_model: Type.Optional(
      Type.String({ minLength: 1, description: 'Asked instead, with on_exceed: substitute' }),
    ),
    queue_ms: queueSchema,
    on_loss: onLossSchema,
    warn_percent: Type.Array(Type.Number({ exclusiveMinimum: 0, maximum: 100 }), { default: [] }),
    time_zone: Type.String({ default: 'UTC', description: 'IANA zone in which the window turns' }),
  },
  closed,
);

const rate = Type.Optional(Type.Integer({ minimum: 0 }));

const limitsSchema = Type.Object(
  {
    requests_per_second: rate,
    requests_per_minute: rate,
    requests_per_hour: rate,
    requests_per_day: rate,
    tokens_per_minute: rate,
    tokens_per_hour: rate,
    tokens_per_day: rate,
    input_tokens_per_minute: rate,
    output_tokens_per_minute: rate,
    concurrent: Type.Optional(Type.Integer({ minimum: 0, description: 'Calls in flight at once' })),
    queue_ms: queueSchema,
    on_loss: onLossSchema,
  },
  { ...closed, default: {} },
);

const budgetsSchema = Type.Array(budgetSchema, { default: [] });

const limitedSchema = Type.Object({ budgets: budgetsSchema, limits: limitsSchema }, { ...closed, default: {} });

const word = (description: string) => Type.Optional(Type.String({ minLength: 1, maxLength: 128, description }));
const words = (description: string) => Type.Optional(Type.Array(Type.String({ minLength: 1 }), { description }));

const userSchema = Type.Object(
  {
    ...limitedSchema.properties,
    region: word('Where the person is, as policies read it: user.region'),
    email: word('user.email'),
    roles: words('user.roles'),
    permissions: words('user.permissions'),
  },
  closed,
);
const projectSchema = Type.Object(
  { ...limitedSchema.properties, name: word('project.name'), environment: word('project.environment') },
  closed,
);

/** Whoever is called so; `default` for each that is not named, and for the limits of one that names none. */
const usersSchema = Type.Record(Type.String({ minLength: 1 }), userSchema, {
  default: {},
  description:
    'Limits of the users of the team, and what policies read of them: of each, and of those named in place of them',
});
const projectsSchema = Type.Record(Type.String({ minLength: 1 }), projectSchema, {
  default: {},
  description:
    'Limits of the projects of the organisation, and what policies read of them: of each, and of those named in place of them',
});

/** Limits of all that a pattern fits, together. */
const byMatchSchema = (description: string) =>
  Type.Array(
    Type.Object(
      {
        match: Type.String({
          pattern: '^[^#\\s]{1,128}$',
          description: 'No spaces and no #; * stands for any run of characters',
        }),
        budgets: budgetsSchema,
        limits: limitsSchema,
      },
      closed,
    ),
    { default: [], description },
  );

const modelLimitsSchema = byMatchSchema(
  'Limits of the models that answer, by their own names; an entry is one limit for all it fits',
);
const tagLimitsSchema = byMatchSchema('Limits of calls with a tag; an entry is one limit for all it fits');

/** A reference to a key, or the keyed hash that `keys create` prints. A literal key is a load error. */
const keySecretSchema = Type.Unsafe<Secret>({
  type: 'string',
  format: 'secret-or-hash',
  description:
    'A reference to an environment variable or a file, or the keyed hash that `llm-policy keys create` prints',
});

/** What a caller with this key may ask for beside models. */
export const scopeNames = ['policy:evaluate', 'policy:read', 'policy:write', 'policy:admin', 'policy:approve'] as const;

const keyObjectSchema = Type.Object(
  {
    key: keySecretSchema,
    id: Type.Optional(idSchema),
    scopes: Type.Array(Type.Enum([...scopeNames]), { default: ['policy:evaluate'] }),
    user: Type.Optional(Type.String({ minLength: 1, maxLength: 128, description: 'Whom it speaks for' })),
    project: Type.Optional(idSchema),
    tags: Type.Array(Type.String({ pattern: '^[A-Za-z0-9._@+=:/-]{1,64}$' }), { default: [], maxItems: 16 }),
    may_assert: Type.Boolean({ default: false, description: 'x-llm-user, x-llm-project and x-llm-tags bind' }),
    expires_at: Type.Optional(Type.String({ format: 'date-time' })),
    models: Type.Optional(Type.Array(Type.String({ minLength: 1 }))),
    budgets: budgetsSchema,
    limits: limitsSchema,
  },
  closed,
);

const teamSchema = Type.Object(
  {
    id: idSchema,
    name: Type.Optional(Type.String({ minLength: 1 })),
    tier: Type.Optional(Type.String({ minLength: 1 })),
    keys: Type.Array(Type.Union([keySecretSchema, keyObjectSchema]), { default: [] }),
    models: Type.Array(Type.String({ minLength: 1 }), {
      default: ['*'],
      description: 'What it may ask for; * stands for any run of characters',
    }),
    budgets: budgetsSchema,
    limits: limitsSchema,
    users: usersSchema,
    model_limits: modelLimitsSchema,
    tag_limits: tagLimitsSchema,
  },
  closed,
);

/** The section `organizations`. */
export const organizationsSchema = Type.Array(
  Type.Object(
    {
      id: idSchema,
      tier: Type.Optional(Type.String({ minLength: 1 })),
      budgets: budgetsSchema,
      limits: limitsSchema,
      projects: projectsSchema,
      model_limits: modelLimitsSchema,
      tag_limits: tagLimitsSchema,
      teams: Type.Array(teamSchema, { default: [] }),
    },
    closed,
  ),
  { default: [] },
);

const jwtSchema = Type.Object(
  {
    issuer: Type.String({ minLength: 1 }),
    audience: Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })]),
    jwks_url: Type.String({ pattern: '^https?://' }),
    algorithms: Type.Array(
      Type.Enum(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']),
      { default: ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'], minItems: 1, description: 'Asymmetric only' },
    ),
    clock_tolerance_seconds: Type.Integer({ minimum: 0, maximum: 300, default: 30 }),
    claims: Type.Object(
      {
        team: Type.String({ default: 'team' }),
        user: Type.String({ default: 'sub' }),
        project: Type.Optional(Type.String({ description: 'Without it a token is of no project' })),
        tags: Type.Optional(Type.String({ description: 'A list, or words separated by spaces' })),
        roles: Type.String({ default: 'roles' }),
        organization: Type.Optional(Type.String()),
        email: Type.String({ default: 'email' }),
        region: Type.Optional(Type.String({ description: 'Without it, what the configuration says of the user' })),
        scopes: Type.String({ default: 'scope', description: 'A list, or words separated by spaces' }),
      },
      { ...closed, default: {}, description: 'Which claim says what; dots reach into objects' },
    ),
  },
  closed,
);

/** The section `auth`. */
export const authSchema = Type.Object(
  {
    keys: Type.Boolean({ default: true, description: 'Whether keys identify callers' }),
    jwt: Type.Optional(jwtSchema),
    hash_secret: Type.Optional(
      Type.Unsafe<Secret>({
        type: 'string',
        format: 'secret',
        description: 'Secret of the keyed hashes; kept in the data directory where it is not given',
      }),
    ),
  },
  { ...closed, default: {} },
);

export type OrganizationSettings = Static<typeof organizationsSchema>[number];
export type TeamSettings = OrganizationSettings['teams'][number];
export type KeySettings = Static<typeof keyObjectSchema>;
export type BudgetSettings = Static<typeof budgetSchema>;
export type LimitSettings = Static<typeof limitsSchema>;
export type LimitedSettings = Static<typeof limitedSchema>;
export type UserSettings = Static<typeof userSchema>;
export type ProjectSettings = Static<typeof projectSchema>;
export type MatchSettings = OrganizationSettings['model_limits'][number];
export type AuthSettings = Static<typeof authSchema>;
export type JwtSettings = Static<typeof jwtSchema>;
