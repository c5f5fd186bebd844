import Type from 'typebox';
import type { Secret } from '../exchange/index.ts';

const closed = { additionalProperties: false } as const;
const section = { additionalProperties: false, default: {} } as const;

const port = (value: number) => Type.Integer({ minimum: 0, maximum: 65535, default: value });
const host = Type.String({ default: '127.0.0.1', minLength: 1, description: 'Address to listen on' });
/** A time in milliseconds; a day at most, which timers can hold. */
const milliseconds = (value: number, minimum = 1) => Type.Integer({ minimum, maximum: 86_400_000, default: value });
const bytes = (value: number) => Type.Integer({ minimum: 1024, maximum: 1_073_741_824, default: value });

/** An address that may carry a password: never printed, and the password is a reference. */
const secretUrl = Type.Unsafe<Secret>({ type: 'string', format: 'secret-url' });

export const serverSchema = Type.Object(
  {
    host,
    port: port(8080),
    workers: Type.Union([Type.Integer({ minimum: 1, maximum: 256 }), Type.Literal('auto')], {
      default: 1,
      description: 'Processes that serve; more than one needs Redis. auto: one for each core',
    }),
    body_bytes_max: bytes(33_554_432),
    reply_bytes_max: bytes(67_108_864),
    in_flight_bytes_max: bytes(268_435_456),
    shutdown_grace_ms: milliseconds(30_000, 0),
    trusted_proxies: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      description: 'Addresses or networks whose forwarded addresses count',
    }),
    tls: Type.Optional(
      Type.Object(
        { cert_file: Type.String(), key_file: Type.String(), client_ca_file: Type.Optional(Type.String()) },
        closed,
      ),
    ),
  },
  { ...section, description: 'The data listener' },
);

export const adminSchema = Type.Object(
  {
    host,
    port: port(8081),
    keys: Type.Array(Type.Unsafe<Secret>({ type: 'string', format: 'secret-or-hash' }), {
      default: [],
      description: 'Without a key this listener does not start',
    }),
    oidc: Type.Optional(Type.Object({ issuer: Type.String(), audience: Type.String() }, closed)),
  },
  { ...section, description: 'The admin listener' },
);

export const metricsSchema = Type.Object(
  { host, port: port(9090) },
  { ...section, description: 'Prometheus listener' },
);

export const grpcSchema = Type.Object(
  {
    host,
    port: port(50051),
    publishing: Type.Boolean({
      default: false,
      description:
        'Whether LoadPolicy and UnloadPolicy are served; otherwise policies are changed on the admin listener alone',
    }),
  },
  {
    ...closed,
    description: 'The decision point over gRPC; off unless it is here',
  },
);

const secret = Type.Unsafe<Secret>({ type: 'string', format: 'secret' });
const redisNodes = Type.Array(
  Type.String({ pattern: '^(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+):[0-9]{1,5}$', description: 'host:port' }),
  { minItems: 1, description: 'host:port of each' },
);
const redisTls = Type.Object(
  {
    ca_file: Type.Optional(Type.String({ minLength: 1, description: "PEM; left out: the system's authorities" })),
    cert_file: Type.Optional(Type.String({ minLength: 1, description: 'PEM, for a server that asks for one' })),
    key_file: Type.Optional(Type.String({ minLength: 1, description: 'PEM' })),
    servername: Type.Optional(
      Type.String({ minLength: 1, description: "Whom the server's certificate must name, where it is not the host" }),
    ),
  },
  closed,
);

export const stateSchema = Type.Object(
  {
    driver: Type.Enum(['embedded', 'redis'], { default: 'embedded' }),
    path: Type.String({ default: './data', minLength: 1, description: 'Data directory' }),
    url: Type.Optional(secretUrl),
    sentinel: Type.Optional(
      Type.Object(
        {
          name: Type.String({ minLength: 1, description: 'What the sentinels call the primary' }),
          nodes: redisNodes,
          username: Type.Optional(Type.String({ minLength: 1, description: 'Of the sentinels' })),
          password: Type.Optional(secret),
          tls: Type.Optional(redisTls),
        },
        { ...closed, description: 'Instead of url' },
      ),
    ),
    cluster: Type.Optional(
      Type.Object({ nodes: redisNodes }, { ...closed, description: 'Instead of url; the other nodes are learned' }),
    ),
    username: Type.Optional(Type.String({ minLength: 1, description: 'Of the Redis, where the url has none' })),
    password: Type.Optional(secret),
    tls: Type.Optional(redisTls),
    key_prefix: Type.String({ default: 'llm', pattern: '^[A-Za-z0-9._-]{1,32}$' }),
    on_loss: Type.Enum(['closed', 'local_share', 'open'], {
      default: 'closed',
      description: 'What a limit means while the ledger is lost',
    }),
    deadline_ms: milliseconds(50),
    lease_ms: milliseconds(30_000, 1000),
    stream_hold_tokens: Type.Integer({
      minimum: 1,
      default: 1024,
      description: 'Output tokens held at first for a stream without a limit; extended while it runs',
    }),
    mode: Type.Enum(['exact', 'leased'], {
      default: 'exact',
      description: 'leased: slices of budgets are taken out of Redis, and calls need no round trip',
    }),
    fsync: Type.Enum(['group', 'always'], { default: 'group', description: 'always survives a power cut' }),
  },
  { ...section, description: 'Where money and rates are counted' },
);

export const databaseSchema = Type.Object({ url: Type.Optional(secretUrl) }, section);

export const policiesSchema = Type.Object(
  {
    source: Type.Enum(['directory', 'registry', 'bundle'], { default: 'directory' }),
    path: Type.String({ default: './policies', minLength: 1 }),
    enabled: Type.Array(Type.String({ minLength: 1 }), {
      default: ['**'],
      description: 'Files below path without their ending; * within a folder, ** across folders',
    }),
    default: Type.Enum(['allow', 'deny'], { default: 'allow', description: 'When no rule matched' }),
    evaluations_per_minute: Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      default: 600_000,
      description: 'Of one key at the decision point, in each process; calls of the gateway are not counted',
    }),
    bundle: Type.Optional(Type.Object({ url: Type.String(), public_key: Type.String() }, closed)),
  },
  section,
);

export const cacheSchema = Type.Object(
  {
    enabled: Type.Boolean({ default: false }),
    ttl_seconds: Type.Integer({ minimum: 1, default: 3600 }),
    scope: Type.Enum(['team', 'user', 'key'], { default: 'team' }),
  },
  { ...section, description: 'Response cache; not supported yet' },
);

export const railsSchema = Type.Object(
  {
    shield: Type.Optional(Type.Object({ url: Type.String() }, closed)),
    classifier: Type.Optional(Type.Object({ model_path: Type.String() }, closed)),
  },
  { ...section, description: 'Rails outside the process; not supported yet' },
);

export const auditSchema = Type.Object(
  {
    content: Type.Enum(['none', 'redacted', 'full'], { default: 'none', description: 'What is kept of texts' }),
    sinks: Type.Array(
      Type.Object(
        {
          type: Type.Enum(['file', 'postgres', 's3', 'http', 'otlp']),
          path: Type.Optional(Type.String({ minLength: 1 })),
          url: Type.Optional(secretUrl),
        },
        closed,
      ),
      { default: [{ type: 'file', path: './data/audit' }] },
    ),
    hot_days: Type.Optional(Type.Integer({ minimum: 1, description: 'Not supported yet: records are kept' })),
    cold_days: Type.Optional(Type.Integer({ minimum: 1, description: 'Not supported yet: records are kept' })),
  },
  section,
);

export const telemetrySchema = Type.Object(
  {
    otlp_endpoint: Type.Optional(Type.String({ pattern: '^https?://' })),
    log_level: Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], { default: 'info' }),
  },
  section,
);

export const passthroughSchema = Type.Array(
  Type.Object(
    {
      provider: Type.String({ minLength: 1 }),
      reserve_usd: Type.Number({ minimum: 0, description: 'US dollars held for each call' }),
      methods: Type.Array(Type.Enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']), { default: ['GET', 'POST'] }),
      paths: Type.Array(Type.String({ pattern: '^/' }), {
        default: ['/*'],
        description: 'Below the base URL; * stands for any run of characters',
      }),
    },
    closed,
  ),
  { default: [], description: "The rest of a provider's API; off unless listed" },
);
