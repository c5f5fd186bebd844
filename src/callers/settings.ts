import Type, { type Static } from 'typebox';
import type { Secret } from '../exchange/index.ts';

const closed = { additionalProperties: false } as const;

/** Ids stand in metric labels, Redis keys and URLs: no separators of those. */
const idSchema = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$', description: 'Letters, digits, . _ -' });

const budgetSchema = Type.Object(
  {
    window: Type.Enum(['minute', 'hour', 'day', 'week', 'month', 'total'], { description: 'Calendar window' }),
    limit_usd: Type.Optional(Type.Number({ minimum: 0, description: 'US dollars, exact to a nano-dollar' })),
    limit_tokens: Type.Optional(Type.Integer({ minimum: 0 })),
    limit_requests: Type.Optional(Type.Integer({ minimum: 0 })),
    on_exceed: Type.Enum(['deny', 'warn', 'substitute', 'throttle'], {
      default: 'deny',
      description: 'deny refuses, warn counts and tells; substitute and throttle are not supported yet',
    }),
    warn_percent: Type.Array(Type.Number({ exclusiveMinimum: 0, maximum: 100 }), { default: [] }),
    time_zone: Type.String({ default: 'UTC', description: 'IANA zone in which the window turns' }),
  },
  closed,
);

const limitsSchema = Type.Object(
  {
    requests_per_minute: Type.Optional(Type.Integer({ minimum: 0 })),
    tokens_per_minute: Type.Optional(Type.Integer({ minimum: 0 })),
    concurrent: Type.Optional(Type.Integer({ minimum: 0, description: 'Calls in flight at once' })),
  },
  { ...closed, default: {} },
);

const budgetsSchema = Type.Array(budgetSchema, { default: [] });

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
    may_assert: Type.Boolean({ default: false, description: 'x-llm-user, x-llm-project and x-llm-tags bind' }),
    expires_at: Type.Optional(Type.String({ format: 'date-time' })),
    models: Type.Optional(Type.Array(Type.String({ minLength: 1 }))),
    budgets: budgetsSchema,
    limits: limitsSchema,
  },
  closed,
);

const usersSchema = Type.Object(
  {
    default: Type.Object({ budgets: budgetsSchema, limits: limitsSchema }, { ...closed, default: {} }),
  },
  { ...closed, default: {}, description: 'Limits of each user of the team' },
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
        roles: Type.String({ default: 'roles' }),
        organization: Type.Optional(Type.String()),
        email: Type.String({ default: 'email' }),
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
export type AuthSettings = Static<typeof authSchema>;
export type JwtSettings = Static<typeof jwtSchema>;
