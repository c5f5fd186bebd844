/** Where a service is, and how it is asked. */
export interface ServiceOptions {
  /** `https://host:port`, and a path below which it lies where there is one. */
  readonly url: string;
  /** Sent as a bearer token. */
  readonly key?: string;
  /** How long an answer may take. Default 10 s. */
  readonly timeout_ms?: number;
  /** In the place of the runtime's own. */
  readonly fetch?: typeof fetch;
}

/** A service that could not be asked, or said no. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  /** HTTP status; 0 where there was no answer. */
  readonly status: number;
  /** The service's own word for it, where it has one. */
  readonly code: string | undefined;

  constructor(message: string, status: number, code?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
    this.code = code;
  }
}

/** One question over HTTP. Redirects are not followed: a key goes where it was meant to go. */
export class Service {
  readonly #options: ServiceOptions;

  constructor(options: ServiceOptions) {
    if (!URL.canParse(options.url)) throw new TypeError(`url is no address: ${options.url}`);
    this.#options = options;
  }

  /** The JSON it answers. Rejects with `ServiceError`. */
  async json(method: 'GET' | 'POST', path: string, body?: unknown): Promise<unknown> {
    const text = await this.text(method, path, body);
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new ServiceError(`${method} ${path} was not answered with JSON`, 0, undefined, cause);
    }
  }

  /** The text it answers. Rejects with `ServiceError`. */
  async text(method: 'GET' | 'POST', path: string, body?: unknown): Promise<string> {
    const { url, key, timeout_ms = 10_000, fetch: ask = fetch } = this.#options;
    const headers = {
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    let response: Response;
    let text: string;
    try {
      response = await ask(url.replace(/\/$/, '') + path, {
        method,
        headers,
        redirect: 'error',
        signal: AbortSignal.timeout(timeout_ms),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      text = await response.text();
    } catch (cause) {
      const why = cause instanceof Error && cause.name === 'TimeoutError' ? `took over ${timeout_ms} ms` : 'failed';
      throw new ServiceError(`${method} ${path} ${why}`, 0, undefined, cause);
    }
    if (response.ok) return text;
    const { message, code } = errorOf(text);
    throw new ServiceError(message ?? `${method} ${path} was answered with ${response.status}`, response.status, code);
  }
}

function errorOf(text: string): { readonly message?: string; readonly code?: string } {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown; code?: unknown } };
    return {
      ...(typeof error?.message === 'string' ? { message: error.message } : {}),
      ...(typeof error?.code === 'string' ? { code: error.code } : {}),
    };
  } catch {
    return {};
  }
}

/** `?name=value&...` of what is given. */
export function queryText(query: Readonly<Record<string, string | number | undefined>>): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) given.set(name, String(value));
  return given.size === 0 ? '' : `?${given}`;
}
