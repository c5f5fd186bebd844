import { fileURLToPath } from 'node:url';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';

/** Where the `.proto` files are: beside `src` and `dist`. */
const directory = fileURLToPath(new URL('../../../proto', import.meta.url));

/** What is served, by the path of its file as an import names it. */
export const protoFiles = {
  'policy.proto': 'llm.policy.v1',
  'grpc/health/v1/health.proto': 'grpc.health.v1',
  'grpc/reflection/v1/reflection.proto': 'grpc.reflection.v1',
  'grpc/reflection/v1alpha/reflection.proto': 'grpc.reflection.v1alpha',
} as const;

/** The services and messages, with fields named as JSON has them, or as the files do. */
export function protoPackages(names: 'json' | 'proto'): PackageDefinition {
  return loadSync(Object.keys(protoFiles), {
    includeDirs: [directory],
    keepCase: names === 'proto',
    arrays: true,
    enums: String,
    longs: Number,
    oneofs: true,
  });
}

/** A service by its full name. Throws where the files have none of that name. */
export function serviceOf(packages: PackageDefinition, name: string): ServiceDefinition {
  const service = packages[name];
  if (service === undefined || 'format' in service) throw new Error(`there is no service ${name}`);
  return service as ServiceDefinition;
}
