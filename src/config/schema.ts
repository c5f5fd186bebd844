import Type, { type Static } from 'typebox';
import { authSchema, organizationsSchema } from '../callers/index.ts';
import { modelsSchema, routingSchema } from '../providers/index.ts';
import {
  adminSchema,
  auditSchema,
  cacheSchema,
  databaseSchema,
  grpcSchema,
  metricsSchema,
  passthroughSchema,
  policiesSchema,
  railsSchema,
  serverSchema,
  stateSchema,
  telemetrySchema,
} from './sections.ts';

/** The whole of `gateway.yaml`: the source of its type, its validation and its published JSON Schema. */
export const gatewaySchema = Type.Object(
  {
    server: serverSchema,
    admin: adminSchema,
    metrics: metricsSchema,
    grpc: Type.Optional(grpcSchema),
    state: stateSchema,
    database: databaseSchema,
    auth: authSchema,
    providers: Type.Array(Type.String({ minLength: 1 }), {
      default: ['./providers'],
      minItems: 1,
      description: 'Directories or files',
    }),
    policies: policiesSchema,
    organizations: organizationsSchema,
    models: modelsSchema,
    routing: routingSchema,
    cache: cacheSchema,
    rails: railsSchema,
    audit: auditSchema,
    telemetry: telemetrySchema,
    passthrough: passthroughSchema,
  },
  { additionalProperties: false },
);

export type GatewayDocument = Static<typeof gatewaySchema>;
