import { Failure, type Format } from '../exchange/index.ts';
import type { Credentials } from './credentials.ts';
import type { Candidate, Provider, ProviderModel, Quirks } from './provider.ts';
import { Transport, type TransportSettings } from './transport.ts';
import type { UpstreamCall, UpstreamReply } from './upstream.ts';

export interface HttpProviderParts {
  readonly id: string;
  readonly format: Format;
  readonly models: readonly ProviderModel[];
  readonly quirks: Quirks;
  readonly region: string | undefined;
  readonly origin: string;
  /** Path of `base_url`, without a slash at its end. */
  readonly basePath: string;
  /** Path below the origin from the format's path and the model's name. */
  readonly requestPath: (path: string, model: string) => string;
  readonly credentials: Credentials;
  readonly headers: readonly (readonly [string, string])[];
  readonly transport: TransportSettings;
}

/** Below the origin, whatever made it: absolute, no other authority, no climbing, nothing a parser could read otherwise. */
const safePath = /^\/(?!\/)[\x21\x22\x24-\x7e]*$/;
const climbs = /(?:^|[/\\])(?:\.|%2e){1,2}(?:[/\\]|%2f|%5c|$)|\\/i;

/** A provider at an address. Its address, credentials and headers come from the configuration alone. */
export class HttpProvider implements Provider {
  readonly id: string;
  readonly format: Format;
  readonly models: readonly ProviderModel[];
  readonly quirks: Quirks;
  declare readonly region?: string;
  readonly #requestPath: (path: string, model: string) => string;
  readonly #basePath: string;
  readonly #credentials: Credentials;
  /** Name, value, name, value ... of what every call carries. */
  readonly #always: readonly string[];
  /** Names a call's own headers cannot set. */
  readonly #reserved: ReadonlySet<string>;
  readonly #transport: Transport;
  /** The last path found to be safe: calls of chat have one. */
  #checkedPath: string | undefined;

  constructor(parts: HttpProviderParts) {
    this.id = parts.id;
    this.format = parts.format;
    this.models = parts.models;
    this.quirks = parts.quirks;
    if (parts.region !== undefined) this.region = parts.region;
    this.#requestPath = parts.requestPath;
    this.#basePath = parts.basePath;
    this.#credentials = parts.credentials;
    this.#always = ['accept-encoding', 'identity', ...parts.headers.flat()];
    this.#reserved = new Set([
      ...this.#always.filter((_, index) => index % 2 === 0),
      ...parts.credentials.names,
      'authorization',
      'host',
      'content-length',
      'transfer-encoding',
      'connection',
    ]);
    this.#transport = new Transport(parts.id, parts.origin, parts.transport);
  }

  requestPath(encoded: { readonly path: string }, candidate: Pick<Candidate, 'model'>): string {
    return this.#requestPath(encoded.path, candidate.model);
  }

  ownPath(path: string): string {
    return this.#basePath + path;
  }

  send(call: UpstreamCall): Promise<UpstreamReply> {
    if (call.path !== this.#checkedPath) {
      const wrong = this.#wrongPath(call.path);
      if (wrong !== undefined) return Promise.reject(wrong);
      this.#checkedPath = call.path;
    }
    // Filled from nothing: a copy that is added to is copied once more.
    const headers: string[] = [];
    for (let index = 0; index < this.#always.length; index += 1) headers.push(this.#always[index] ?? '');
    this.#credentials.addTo(headers);
    if (call.body_bytes !== undefined) headers.push('content-length', String(call.body_bytes));
    for (const name in call.headers) {
      const value = call.headers[name];
      if (value !== undefined && !this.#reserved.has(name)) headers.push(name, value);
    }
    return this.#transport.send(call, this.#credentials.inPath(call.path), headers);
  }

  #wrongPath(whole: string): Failure | undefined {
    const [path = '', ...query] = whole.split('?');
    if (!safePath.test(whole) || climbs.test(path)) {
      return new Failure('internal_error', 'A path left the provider it was made for.');
    }
    const { parameter } = this.#credentials;
    if (parameter === undefined || !isSet(query.join('?'), parameter)) return undefined;
    return new Failure('invalid_request', `The query parameter '${parameter}' is not yours to set.`);
  }

  close(): Promise<void> {
    return this.#transport.close();
  }
}

/** Whether a query sets a parameter, however it is spelled: of two values a server may take either. */
function isSet(query: string, parameter: string): boolean {
  const wanted = parameter.toLowerCase();
  for (const name of new URLSearchParams(query).keys()) if (name.toLowerCase() === wanted) return true;
  return false;
}
