import { join } from 'node:path';
import {
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';

const packages: PackageDefinition = loadSync(
  [
    'policy.proto',
    'grpc/health/v1/health.proto',
    'grpc/reflection/v1/reflection.proto',
    'grpc/reflection/v1alpha/reflection.proto',
  ],
  { includeDirs: [join(import.meta.dirname, '../../proto')], enums: String, longs: Number, oneofs: true },
);

type Method = MethodDefinition<object, object>;
// biome-ignore lint/suspicious/noExplicitAny: what is read is asserted on
export type Json = Record<string, any>;

/** The methods of a service as its `.proto` file has them. */
export function methodsOf(service: string): Record<string, Method> {
  return packages[service] as unknown as Record<string, Method>;
}

/** A message as protobuf's JSON prints it, fields without a value left out, in the order of the file. */
export function jsonOf(message: Json, typeName: string): Json {
  if (typeName === 'google.protobuf.Struct') return plain({ structValue: message }) as Json;
  const { type } = packages[typeName] as unknown as {
    type: { field: { name: string; label: string; typeName: string }[] };
  };
  const printed: Json = {};
  for (const { name, label, typeName: inner } of type.field) {
    const value = message[name];
    const one = (item: Json) =>
      typeof item === 'object' && item !== null ? jsonOf(item, typeOf(typeName, inner)) : item;
    if (label === 'LABEL_REPEATED') printed[name] = (value ?? []).map(one);
    else if (value !== undefined && value !== null) printed[name] = one(value);
  }
  return printed;
}

function typeOf(from: string, name: string): string {
  const near = `${from.slice(0, from.lastIndexOf('.'))}.${name}`;
  return near in packages ? near : name.replace(/^\./, '');
}

function plain(value: Json): unknown {
  if (value.stringValue !== undefined) return value.stringValue;
  if (value.numberValue !== undefined) return value.numberValue;
  if (value.boolValue !== undefined) return value.boolValue;
  if (value.listValue) return (value.listValue.values ?? []).map(plain);
  if (value.structValue) {
    const entries = Object.entries(value.structValue.fields ?? {});
    return Object.fromEntries(entries.map(([name, member]) => [name, plain(member as Json)]));
  }
  return null;
}

/** JSON as `google.protobuf.Struct`. */
export function struct(object: object): Json {
  return { fields: Object.fromEntries(Object.entries(object).map(([name, value]) => [name, wrapped(value)])) };
}

function wrapped(value: unknown): Json {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'number') return { numberValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (Array.isArray(value)) return { listValue: { values: value.map(wrapped) } };
  return typeof value === 'object' && value !== null ? { structValue: struct(value) } : { nullValue: 'NULL_VALUE' };
}

export function metadataOf(entries: Record<string, string>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(entries)) metadata.set(name, value);
  return metadata;
}

export interface Answered {
  readonly body: Json;
  readonly head: Metadata;
}

/** A client of the services of a gateway, made from the shipped `.proto` files. */
export class GrpcClient {
  readonly #client: Client;

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure());
  }

  /** Rejects with the service's error. */
  ask(service: string, name: string, body: Json, headers: Record<string, string> = {}, deadline_ms = 20_000) {
    const method = methodsOf(service)[name]!;
    let head = new Metadata();
    return new Promise<Answered>((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        body,
        metadataOf(headers),
        { deadline: Date.now() + deadline_ms },
        (error: ServiceError | null, answer?: object) => {
          if (error !== null) reject(error);
          else resolve({ body: jsonOf(answer as Json, typeNameOf(service, name)), head });
        },
      );
      call.on('metadata', (given: Metadata) => {
        head = given;
      });
    });
  }

  duplex(service: string, name: string, headers: Record<string, string> = {}): ClientDuplexStream<Json, Json> {
    const method = methodsOf(service)[name]!;
    return this.#client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      metadataOf(headers),
    ) as ClientDuplexStream<Json, Json>;
  }

  listen(service: string, name: string, body: Json, headers: Record<string, string> = {}): ClientReadableStream<Json> {
    const method = methodsOf(service)[name]!;
    return this.#client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      body,
      metadataOf(headers),
    ) as ClientReadableStream<Json>;
  }

  close(): void {
    this.#client.close();
  }
}

function typeNameOf(service: string, name: string): string {
  const { responseType } = methodsOf(service)[name] as unknown as { responseType: { type: { name: string } } };
  return `${service.slice(0, service.lastIndexOf('.'))}.${responseType.type.name}`;
}

/** Every message of a stream until it ends; with the error it ended with, if it did. */
export async function drained(stream: AsyncIterable<Json>): Promise<{ messages: Json[]; error?: ServiceError }> {
  const messages: Json[] = [];
  try {
    for await (const message of stream) messages.push(message);
    return { messages };
  } catch (error) {
    return { messages, error: error as ServiceError };
  }
}
