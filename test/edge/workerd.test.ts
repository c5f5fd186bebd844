import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Miniflare } from 'miniflare';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Corpus, corpora, withoutTimes } from '../decisions/corpus.ts';

const root = join(import.meta.dirname, '../..');
const key = ['lpk', 'workerworker', 'w'.repeat(43)].join('_');

const bindingsOf = ({ text, default: otherwise }: Corpus) => ({
  LLM_POLICY_POLICIES: text,
  LLM_POLICY_KEY_HASHES: createHash('sha256').update(key).digest('hex'),
  LLM_POLICY_DEFAULT: otherwise,
});

/** A worker of a few lines that hands the bundle compiled modules: the runtime compiles none from bytes. */
function withModules(script: string, modules: readonly (readonly [path: string, bytes: Uint8Array])[]) {
  const names = modules.map(([path], at) => [`module${at}`, path] as const);
  const worker = `
import { authorizeByKeys, createEdge } from './edge.mjs';
${names.map(([name]) => `import ${name} from './${name}.wasm';`).join('\n')}
let edge;
export default {
  fetch(request, { LLM_POLICY_POLICIES: policies, LLM_POLICY_KEY_HASHES: hash, LLM_POLICY_DEFAULT: otherwise }) {
    edge ??= createEdge({
      policies, default: otherwise, authorize: authorizeByKeys([hash]),
      modules: { ${names.map(([name, path]) => `${JSON.stringify(path)}: ${name}`).join(', ')} },
    });
    return edge.fetch(request);
  },
};`;
  return [
    { type: 'ESModule' as const, path: '/worker.mjs', contents: worker },
    { type: 'ESModule' as const, path: '/edge.mjs', contents: script },
    ...modules.map(([, contents], at) => ({ type: 'CompiledWasm' as const, path: `/module${at}.wasm`, contents })),
  ];
}

/** The runtime behind Cloudflare's workers: code generation is forbidden there, and there is no `node:`. */
describe('the edge bundle in workerd', () => {
  const workers: Miniflare[] = [];
  let script = '';
  beforeAll(() => {
    script = readFileSync(join(root, 'dist/edge.bundle.js'), 'utf8');
  });
  afterAll(() => Promise.all(workers.map((worker) => worker.dispose())));

  it.each(corpora.map((corpus) => [corpus.name, corpus] as const))(
    'decides %s as the library does',
    async (_name, corpus) => {
      const modules = Object.entries(await corpus.modules());
      const common = { compatibilityDate: '2026-01-01', bindings: bindingsOf(corpus) };
      const worker = new Miniflare(
        modules.length === 0
          ? { ...common, modules: true, script }
          : { ...common, modulesRoot: '/', modules: withModules(script, modules) },
      );
      workers.push(worker);
      for (const one of corpus.requests) {
        const response = await worker.dispatchFetch('http://edge.example/api/v1/evaluate', {
          method: 'POST',
          headers: { authorization: `Bearer ${key}` },
          body: JSON.stringify({ requestId: 'r-1', context: one.context }),
        });
        expect(withoutTimes((await response.json()) as object), one.name).toBe(await one.expected());
      }
    },
  );
});
