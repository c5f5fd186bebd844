import type { GrpcPoint } from '../surfaces/grpc/point.ts';
import { unlistened } from './listening.ts';

/** A gRPC listener that listens. */
export interface OpenGrpc {
  /** `host:port`. */
  readonly address: string;
  close(grace_ms: number): Promise<void>;
}

/** The part of the configuration that is about it. */
export interface GrpcSettings {
  readonly grpc?: { readonly host: string; readonly port: number; readonly publishing: boolean } | undefined;
  readonly server: { readonly body_bytes_max: number };
}

/** Longest message, where bodies may be longer: what gRPC's clients take as well. */
const message_bytes_max = 4_194_304;

/** Opens the gRPC listener where the configuration has one. Its libraries are loaded then, and not before. */
export async function openGrpc(
  { grpc, server: limits }: GrpcSettings,
  from: Omit<GrpcPoint, 'publishing'>,
): Promise<OpenGrpc | undefined> {
  if (grpc === undefined) return undefined;
  const { buildGrpcServer } = await import('../surfaces/grpc/server.ts');
  const server = buildGrpcServer({
    message_bytes_max: Math.min(message_bytes_max, limits.body_bytes_max),
    from: { ...from, publishing: grpc.publishing },
  });
  const { host, port } = grpc;
  const bound = await server.listen(host, port).catch((error: Error) => unlistened(error, { host, port }, 'grpc'));
  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close: (grace_ms) => server.close(grace_ms),
  };
}
