import { resolve } from 'node:path';
import Type, { type Static } from 'typebox';
import { authSchema, checkCallers, organizationsSchema } from '../callers/index.ts';
import { samePorts } from './checks.ts';
import type { Reading, TextFile } from './files.ts';
import { environmentOverrides, type Variable } from './overrides.ts';
import { loadPolicies } from './policies.ts';
import { type Loaded, type LoadOptions, loadSettings, type Outcome, readDocument } from './read-document.ts';
import { grpcSchema, metricsSchema, policiesSchema, serverSchema, stateSchema, telemetrySchema } from './sections.ts';
import type { Finding } from './validate.ts';
import { deepFreeze } from './walk.ts';

const section = { additionalProperties: false, default: {} } as const;
const { host, port, body_bytes_max, in_flight_bytes_max, shutdown_grace_ms, trusted_proxies } = serverSchema.properties;
const { path, enabled, default: otherwise, evaluations_per_minute } = policiesSchema.properties;

/** The whole of `pdp.yaml`: the decision point alone, without providers, money and models. */
export const pdpSchema = Type.Object(
  {
    server: Type.Object(
      {
        host,
        port: { ...port, default: 8082 },
        socket: Type.Optional(
          Type.String({ minLength: 1, description: 'Path of a Unix socket to listen on, instead of host and port' }),
        ),
        body_bytes_max: { ...body_bytes_max, default: 4_194_304 },
        in_flight_bytes_max,
        shutdown_grace_ms,
        trusted_proxies,
      },
      { ...section, description: 'The REST listener' },
    ),
    metrics: Type.Object(
      { host: metricsSchema.properties.host, port: { ...metricsSchema.properties.port, default: 9091 } },
      { ...section, description: 'Prometheus listener' },
    ),
    grpc: Type.Optional(grpcSchema),
    auth: authSchema,
    organizations: organizationsSchema,
    policies: Type.Object(
      { path, enabled, default: { ...otherwise, default: 'deny' }, evaluations_per_minute },
      section,
    ),
    state: Type.Object(
      { path: { ...stateSchema.properties.path, default: './data/pdp' }, fsync: stateSchema.properties.fsync },
      { ...section, description: 'Where the evaluation log is spooled' },
    ),
    audit: Type.Object(
      {
        enabled: Type.Boolean({ default: true, description: 'Whether each evaluation is recorded' }),
        path: Type.String({ default: './data/pdp/audit', minLength: 1, description: 'Directory of the records' }),
      },
      { ...section, description: 'The evaluation log' },
    ),
    telemetry: Type.Object({ log_level: telemetrySchema.properties.log_level }, section),
  },
  { additionalProperties: false },
);

export type PdpDocument = Static<typeof pdpSchema>;

/** The daemon's configuration in force: validated whole, frozen, with every default filled in. */
export interface PdpSettings extends PdpDocument {
  /** The file it was read from, absolute. */
  readonly file: string;
  readonly policyFiles: readonly TextFile[];
}

const variables: readonly Variable[] = [
  ['PORT', ['server', 'port']],
  ['HOST', ['server', 'host']],
  ['METRICS_PORT', ['metrics', 'port']],
  ['GRPC_PORT', ['grpc', 'port']],
  ['LOG_LEVEL', ['telemetry', 'log_level']],
];

/** Reads and validates the daemon's configuration with its policies. Never rejects for what is in files: see `problems`. */
export function loadPdpConfig(options: LoadOptions): Promise<Loaded<PdpSettings>> {
  return loadSettings(options, read);
}

async function read(file: string, reading: Reading): Promise<Outcome<PdpSettings>> {
  const overrides = environmentOverrides(reading.env, variables);
  const found = await readDocument<PdpDocument>(file, reading, pdpSchema, overrides);
  if ('problems' in found) return found;
  const { document, source, placed } = found;
  const policies = await loadPolicies(document.policies, reading, source);
  const problems = [...placed(checkPdp(document)), ...policies.problems];
  if (problems.length > 0) return { problems };
  const { state, audit, server } = document;
  const below = (written: string) => resolve(reading.cwd, written);
  return {
    problems,
    settings: deepFreeze({
      ...document,
      file,
      server: server.socket === undefined ? server : { ...server, socket: below(server.socket) },
      state: { ...state, path: below(state.path) },
      audit: { ...audit, path: below(audit.path) },
      policyFiles: policies.files,
    }),
  };
}

function checkPdp({ server, metrics, grpc, organizations, auth }: PdpDocument): readonly Finding[] {
  const callers = checkCallers(organizations, auth).map(
    ({ section: name, path: at, message }): Finding => ({ path: [name, ...at], at: 'value', message }),
  );
  const listeners = { ...(server.socket === undefined ? { server } : {}), metrics, ...(grpc && { grpc }) };
  return [...callers, ...unenforced(organizations, ['organizations']), ...samePorts(listeners)];
}

/** What only a gateway that sees calls can keep. */
const ofCalls = ['budgets', 'limits', 'users', 'projects', 'models', 'model_limits', 'tag_limits'];

/** Limits that the daemon would take and not keep. */
function unenforced(value: unknown, at: Finding['path']): readonly Finding[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]): readonly Finding[] => {
    const here = [...at, Array.isArray(value) ? Number(key) : key];
    const given = !/^(\[\]|\{\}|\["\*"\])$/.test(JSON.stringify(member));
    if (!Array.isArray(value) && ofCalls.includes(key) && given) {
      return [{ path: here, at: 'key', message: `'${key}' is kept by the gateway alone: the daemon sees no calls` }];
    }
    return unenforced(member, here);
  });
}
