import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Miniflare } from 'miniflare';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { corpora, withoutTimes } from '../decisions/corpus.ts';

const root = join(import.meta.dirname, '../..');
const key = ['lpk', 'workerworker', 'w'.repeat(43)].join('_');

/** The runtime behind Cloudflare's workers: code generation is forbidden there, and there is no `node:`. */
describe('the edge bundle in workerd', () => {
  const workers: Miniflare[] = [];
  let script = '';
  beforeAll(() => {
    const built = spawnSync(process.execPath, [join(root, 'scripts/bundle-edge.mjs')], { encoding: 'utf8' });
    expect(built.stderr + built.stdout).toBe('');
    script = readFileSync(join(root, 'dist/edge.bundle.js'), 'utf8');
  });
  afterAll(() => Promise.all(workers.map((worker) => worker.dispose())));

  it.each(corpora.map((corpus) => [corpus.name, corpus] as const))(
    'decides %s as the library does',
    async (_name, corpus) => {
      const worker = new Miniflare({
        modules: true,
        script,
        compatibilityDate: '2026-01-01',
        bindings: {
          LLM_POLICY_POLICIES: corpus.text,
          LLM_POLICY_KEY_HASHES: createHash('sha256').update(key).digest('hex'),
          LLM_POLICY_DEFAULT: corpus.default,
        },
      });
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
