import { Server, ServerCredentials } from '@grpc/grpc-js';
import { health } from './health.ts';
import { Leaving } from './leaving.ts';
import type { GrpcPoint } from './point.ts';
import { reflection } from './reflection.ts';
import { policyService } from './service.ts';
import { protoPackages, serviceOf } from './wire.ts';

export interface GrpcOptions {
  readonly from: GrpcPoint;
  /** Of one message. */
  readonly message_bytes_max: number;
}

export interface GrpcServer {
  /** Listens, and gives back the port. Rejects where it cannot be had. */
  listen(host: string, port: number): Promise<number>;
  /** Tells health watchers, ends open streams, lets running calls end within the grace, and cuts what is left. */
  close(grace_ms: number): Promise<void>;
}

const policyName = 'llm.policy.v1.PolicyService';
const healthName = 'grpc.health.v1.Health';
const reflectionNames = ['grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection'] as const;

/** The decision point over gRPC, with health checking and server reflection. */
export function buildGrpcServer({ from, message_bytes_max }: GrpcOptions): GrpcServer {
  const server = new Server({
    'grpc.max_receive_message_length': message_bytes_max,
    'grpc.max_concurrent_streams': 1000,
    // A client that vanished without a word is noticed, and its streams end.
    'grpc.keepalive_time_ms': 60_000,
    'grpc.keepalive_timeout_ms': 20_000,
  });
  const leaving = new Leaving();
  const packages = protoPackages('json');
  const services = [policyName, healthName, ...reflectionNames];
  server.addService(serviceOf(packages, policyName), policyService(from, leaving));
  server.addService(
    serviceOf(packages, healthName),
    health(services, () => from.ready(), leaving),
  );
  const mirror = reflection(services);
  for (const name of reflectionNames) server.addService(serviceOf(packages, name), mirror);
  return {
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
        server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
          if (error === null) resolve(bound);
          else reject(error);
        });
      }),
    close(grace_ms) {
      leaving.leave();
      return new Promise((resolve) => {
        const cut = setTimeout(() => server.forceShutdown(), grace_ms);
        server.tryShutdown(() => {
          clearTimeout(cut);
          resolve();
        });
      });
    },
  };
}
