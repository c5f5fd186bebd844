import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { refusalOf } from './refusals.ts';

/** Files in PEM. A certificate and its key are what a server that asks for one is shown; they come together. */
export interface RedisTls {
  readonly ca_file?: string | undefined;
  readonly cert_file?: string | undefined;
  readonly key_file?: string | undefined;
  /** Name the server's certificate must be for, where it is not the host's. */
  readonly servername?: string | undefined;
}

export interface RedisSentinel {
  /** What the sentinels call the primary. */
  readonly name: string;
  /** `host:port` of each sentinel. */
  readonly nodes: readonly string[];
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Of connections to sentinels; left out: none, whatever the primary has. */
  readonly tls?: RedisTls | undefined;
}

/** Where a Redis or Valkey is and how to get in: one of `url`, `sentinel` and `cluster`. */
export interface RedisPlace {
  /** `redis://` or `rediss://`, with credentials and a database number where there are any. */
  readonly url?: string | undefined;
  readonly sentinel?: RedisSentinel | undefined;
  /** `host:port` of some nodes; the others are learned. */
  readonly cluster?: { readonly nodes: readonly string[] } | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Of `sentinel` and `cluster`, its presence is what asks for TLS; of `url` it is the scheme. */
  readonly tls?: RedisTls | undefined;
}

export interface ConnectOptions {
  readonly connect_timeout_ms: number;
  /** Whether commands wait for a connection (a queue's worker) or fail at once (whoever has a deadline). */
  readonly patient?: boolean;
  /**
   * How often a Cluster's client may send a command to another node than it meant to. Default 16; with 0 it is told
   * (`MOVED`, `ASK`, `TRYAGAIN`) instead.
   */
  readonly redirections?: number;
}

/** What is said of one connection; how replies are read is nobody's choice. */
type Settings = Omit<RedisOptions, 'replyMapping'>;

/** Longest pause between two tries to connect: a Redis that is back is found within two of them. */
const pause_max_ms = 500;
const pause = (times: number): number => Math.min(50 * times, pause_max_ms);

/**
 * A client for the place, not yet connected: call `connect`. Throws where a file of the TLS settings cannot be read.
 * It goes on trying for as long as it lives; its `error` events are the caller's to listen to.
 */
export function clientOf(place: RedisPlace, options: ConnectOptions): Redis | Cluster {
  const { connect_timeout_ms, patient = false } = options;
  const common: Settings = {
    lazyConnect: true,
    protocol: 2,
    connectTimeout: connect_timeout_ms,
    // A verb that waited for a reconnect would be late, and one sent again would be done twice.
    autoResendUnfulfilledCommands: patient,
    maxRetriesPerRequest: patient ? null : 0,
    ...(place.username === undefined ? {} : { username: place.username }),
    ...(place.password === undefined ? {} : { password: place.password }),
  };
  const secured = place.tls === undefined ? undefined : tlsOf(place.tls);
  if (place.cluster !== undefined) return clusterOf(place.cluster.nodes, common, secured, options);
  const single: Settings = {
    ...common,
    enableOfflineQueue: patient,
    retryStrategy: pause,
    // A primary that became a replica is left, so that the new one is looked for.
    reconnectOnError: (error) => (refusalOf(error.message) === 'READONLY' ? 1 : false),
  };
  const { url, sentinel } = place;
  if (sentinel !== undefined) {
    return new Redis({
      ...single,
      name: sentinel.name,
      sentinels: sentinel.nodes.map(addressOf),
      sentinelRetryStrategy: pause,
      sentinelCommandTimeout: connect_timeout_ms,
      // ioredis 6.0.0 ends for good where its detector hears of a new primary while it is connecting; a primary that
      // was set aside closes its connections anyway, or answers READONLY.
      failoverDetector: false,
      ...(sentinel.username === undefined ? {} : { sentinelUsername: sentinel.username }),
      ...(sentinel.password === undefined ? {} : { sentinelPassword: sentinel.password }),
      ...(sentinel.tls === undefined ? {} : { sentinelTLS: tlsOf(sentinel.tls) }),
      ...(secured === undefined ? {} : { tls: secured, enableTLSForSentinelMode: true }),
    });
  }
  if (url === undefined) throw new TypeError('a Redis needs a url, a sentinel or a cluster');
  return new Redis(url, secured === undefined ? single : { ...single, tls: secured });
}

function clusterOf(
  nodes: readonly string[],
  common: Settings,
  tls: ConnectionOptions | undefined,
  { connect_timeout_ms, patient = false, redirections = 16 }: ConnectOptions,
): Cluster {
  return new Cluster(nodes.map(addressOf), {
    redisOptions: tls === undefined ? common : { ...common, tls },
    // The cluster's own queue is off; its nodes need theirs to learn the slots.
    enableOfflineQueue: patient,
    lazyConnect: true,
    maxRedirections: redirections,
    slotsRefreshTimeout: connect_timeout_ms,
    slotsRefreshInterval: 2_000,
    clusterRetryStrategy: pause,
    ...(tls === undefined ? {} : { dnsLookup: asNamed }),
  });
}

/** A certificate names hosts, not what they resolve to. */
function asNamed(name: string, done: (error: null, address: string) => void): void {
  done(null, name);
}

/** `[::1]:7000` or `host:7000`. */
function addressOf(node: string): { host: string; port: number } {
  const at = node.lastIndexOf(':');
  return { host: node.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(node.slice(at + 1)) };
}

function tlsOf({ ca_file, cert_file, key_file, servername }: RedisTls): ConnectionOptions {
  return {
    ...(ca_file === undefined ? {} : { ca: pem(ca_file, 'ca_file') }),
    ...(cert_file === undefined ? {} : { cert: pem(cert_file, 'cert_file') }),
    ...(key_file === undefined ? {} : { key: pem(key_file, 'key_file') }),
    ...(servername === undefined ? {} : { servername }),
  };
}

function pem(path: string, name: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    throw new Error(`the ${name} of the TLS settings for Redis, ${path}, cannot be read (${why})`, { cause: error });
  }
}
