import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isKeyedHash } from '../callers/index.ts';
import type { Settings } from '../config.ts';
import { CannotRun } from '../surfaces/cli/command.ts';

/** The admin listener of the running gateway. Undefined answers: none runs. */
export interface AdminClient {
  readonly address: string;
  get(path: string): Promise<unknown>;
  post(path: string, body?: unknown): Promise<unknown>;
  delete(path: string): Promise<unknown>;
}

const answer_ms = 10_000;

/** Address and key come from the configuration; the key a first start made is found in the data directory. */
export function adminClient(settings: Settings): AdminClient {
  const host = settings.admin.host === '0.0.0.0' || settings.admin.host === '::' ? '127.0.0.1' : settings.admin.host;
  const address = `http://${host.includes(':') ? `[${host}]` : host}:${settings.admin.port}`;
  const ask = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const key = adminKey(settings);
    if (key === undefined) return undefined;
    let response: Response;
    try {
      response = await fetch(address + path, {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(answer_ms),
      });
    } catch (error) {
      if ((error as { cause?: { code?: string } }).cause?.code === 'ECONNREFUSED') return undefined;
      throw new CannotRun(`the gateway's admin listener at ${address} does not answer`);
    }
    if (response.status === 401) throw new CannotRun(`what listens at ${address} does not know this admin key`);
    if (!response.ok) throw new CannotRun(await told(response, address));
    return response.json();
  };
  return {
    address,
    get: (path) => ask('GET', path),
    post: (path, body) => ask('POST', path, body),
    delete: (path) => ask('DELETE', path),
  };
}

function adminKey({ admin, state }: Settings): string | undefined {
  const configured = admin.keys.map((key) => key.reveal()).find((key) => key !== '' && !isKeyedHash(key));
  if (configured !== undefined) return configured;
  const file = join(state.path, 'admin.key');
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
}

/** What the gateway says is wrong; what is no gateway says nothing we could use. */
async function told(response: Response, address: string): Promise<string> {
  const body = (await response.json().catch(() => undefined)) as { error?: { message?: unknown } } | undefined;
  const message = body?.error?.message;
  return typeof message === 'string'
    ? `the gateway at ${address} says: ${message}`
    : `what listens at ${address} answered ${response.status}`;
}
