import type { Settings } from '../config.ts';
import type { Log, Metrics } from '../observe/index.ts';
import type { Pinned } from '../pipeline/index.ts';
import type { GrpcServer } from '../surfaces/grpc/server.ts';
import { unlistened } from './listening.ts';

export interface GrpcParts {
  readonly settings: Settings;
  pinned(): Pick<Pinned, 'program' | 'directory'>;
  readonly metrics: Metrics;
  /** The metrics as the metrics listener tells them. */
  render(): Promise<string>;
  ready(): boolean;
  readonly log: Log;
}

/** A gRPC listener that listens. */
export interface OpenGrpc {
  /** `host:port`. */
  readonly address: string;
  close(grace_ms: number): Promise<void>;
}

/** Longest message, where bodies may be longer: what gRPC's clients take as well. */
const message_bytes_max = 4_194_304;

/** Opens the gRPC listener where the configuration has one. Its libraries are loaded then, and not before. */
export async function openGrpc(parts: GrpcParts): Promise<OpenGrpc | undefined> {
  const { grpc, server: limits } = parts.settings;
  if (grpc === undefined) return undefined;
  const { buildGrpcServer } = await import('../surfaces/grpc/server.ts');
  const { metrics } = parts;
  const server: GrpcServer = buildGrpcServer({
    message_bytes_max: Math.min(message_bytes_max, limits.body_bytes_max),
    point: {
      identify: async (headers) => (await parts.pinned().directory.identify(headers)).caller,
      program: () => parts.pinned().program,
      answering: () => ({
        program: parts.pinned().program,
        clock: { now: Date.now, elapsed: () => performance.now() },
        answered: ({ decision, evaluationTimeMs }) => metrics.evaluation(decision.decision, evaluationTimeMs / 1000),
      }),
      metrics: async () => ({ contentType: metrics.contentType, text: await parts.render() }),
      ready: () => parts.ready(),
      log: parts.log,
    },
  });
  const { host, port } = grpc;
  const bound = await server.listen(host, port).catch((error: Error) => unlistened(error, { host, port }, 'grpc'));
  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close: (grace_ms) => server.close(grace_ms),
  };
}
