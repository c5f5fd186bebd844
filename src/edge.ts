import { type Authorize, authorizeByKeys } from './edge/authorize.ts';
import { bodyOf } from './edge/json.ts';
import { edgeModules } from './edge/modules.ts';
import { asFailure, Failure } from './exchange/index.ts';
import { compile, type Program, parsePolicies } from './policy/index.ts';
import { type Answering, answers, questionPaths } from './surfaces/decision/answers.ts';

export { type Authorize, authorizeByKeys } from './edge/authorize.ts';

export interface EdgeOptions {
  /** Texts of policies, YAML or JSON, one document or several each. */
  readonly policies: string | readonly string[];
  /** What holds where no rule matched. Default deny. */
  readonly default?: 'allow' | 'deny';
  /** Who may ask: `'open'` is everybody. There is no default, since it would be one of the two. */
  readonly authorize: 'open' | Authorize;
  /** Longest body; default 1 MiB. */
  readonly body_bytes_max?: number;
  /** Keyed hash for prompts in the recorded facts; without one only their length is told. */
  readonly hashText?: (text: string) => string;
  /**
   * Modules of `wasm` rules, each a `WebAssembly.Module`, by the paths the policies write. They run in the worker's own
   * thread. A rule whose module is not given is undecided.
   */
  readonly modules?: Readonly<Record<string, object>>;
}

/** The decision point as a `fetch` handler, for runtimes at the edge: web APIs alone, no code generation. */
export interface Edge {
  readonly program: Program;
  fetch(request: Request): Promise<Response>;
}

/** Compiles the policies once. Throws `PolicyError` with every problem, and `TypeError` where nobody says who may ask. */
export function createEdge(options: EdgeOptions): Edge {
  const { authorize, body_bytes_max = 1_048_576, hashText } = options;
  if (authorize !== 'open' && typeof authorize !== 'function') {
    throw new TypeError("authorize must say who may ask: a function, authorizeByKeys([...]), or 'open'");
  }
  const policies = [options.policies].flat().flatMap((text, at) => parsePolicies(text, { file: `policies[${at}]` }));
  const program = compile(policies, { default: options.default ?? 'deny' });
  const from: Answering = { program, clock, hashText, modules: edgeModules(program, options.modules) };

  async function answer(request: Request, id: string): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === '/health' && request.method === 'GET') return json(200, { status: 'ok', program: program.id }, id);
    const question = Object.hasOwn(questionPaths, pathname) ? questionPaths[pathname] : undefined;
    if (question === undefined || request.method !== 'POST') {
      throw new Failure('not_supported', `${request.method} ${pathname} is not served here.`);
    }
    if (authorize !== 'open' && !(await authorize(request))) {
      throw new Failure('invalid_api_key', 'A key that may evaluate policies is needed.');
    }
    return json(200, await answers[question](from, await bodyOf(request, body_bytes_max), id), id);
  }

  return {
    program,
    async fetch(request) {
      const id = requestIdOf(request);
      try {
        return await answer(request, id);
      } catch (thrown) {
        return told(asFailure(thrown), id);
      }
    },
  };
}

/** What a worker is given beside its code. */
export interface EdgeBindings {
  readonly LLM_POLICY_POLICIES?: string;
  /** SHA-256 of keys, in hex, separated by spaces or commas. */
  readonly LLM_POLICY_KEY_HASHES?: string;
  readonly LLM_POLICY_DEFAULT?: string;
}

/** The last bindings' worker: a runtime may hand over the same ones with every request. */
let configured: { readonly from: string; readonly edge: Edge } | undefined;

/** A worker that is configured by its bindings. What is missing or wrong is told, and nothing is let through. */
export default {
  async fetch(request: Request, bindings: EdgeBindings): Promise<Response> {
    try {
      const from = JSON.stringify([
        bindings.LLM_POLICY_POLICIES,
        bindings.LLM_POLICY_KEY_HASHES,
        bindings.LLM_POLICY_DEFAULT,
      ]);
      if (configured?.from !== from) configured = { from, edge: edgeOf(bindings) };
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      return told(new Failure('internal_error', `This worker is not configured: ${why}`, { status: 503 }), ownId());
    }
    return configured.edge.fetch(request);
  },
};

function edgeOf(bindings: EdgeBindings): Edge {
  const { LLM_POLICY_POLICIES: policies = '', LLM_POLICY_KEY_HASHES: hashes = '' } = bindings;
  const otherwise = bindings.LLM_POLICY_DEFAULT ?? 'deny';
  if (policies === '') throw new TypeError('LLM_POLICY_POLICIES is empty');
  if (otherwise !== 'allow' && otherwise !== 'deny') throw new TypeError('LLM_POLICY_DEFAULT is allow or deny');
  const authorize = authorizeByKeys(hashes.split(/[\s,]+/).filter((hash) => hash !== ''));
  return createEdge({ policies, authorize, default: otherwise });
}

const clock = { now: () => Date.now(), elapsed: () => performance.now() };

function requestIdOf(request: Request): string {
  const asked = request.headers.get('x-request-id') ?? '';
  return /^[\x21-\x7e]{1,128}$/.test(asked) ? asked : ownId();
}

function ownId(): string {
  return `ex_${crypto.randomUUID().replaceAll('-', '')}`;
}

function json(status: number, body: unknown, id: string): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'x-request-id': id },
  });
}

function told(failure: Failure, id: string): Response {
  const { param, extra } = failure.detail;
  const error = { ...extra, message: failure.message, type: failure.type, param: param ?? null, code: failure.code };
  const response = json(failure.status, { error }, id);
  if (!failure.retryable) response.headers.set('x-should-retry', 'false');
  return response;
}
