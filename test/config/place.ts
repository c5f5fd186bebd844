import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { loadConfig } from '../../src/config.ts';

const provider = 'id: demo\nformat: demo\nmodels: { demo-small: { input_usd_per_mtok: 0, output_usd_per_mtok: 0 } }\n';
const policy = `metadata: { id: one, name: One, version: 1.0.0 }
rules:
  - id: never
    condition: { operator: eq, field: llm.model, value: no-such-model }
    action: { decision: warn, reason: Never said }
`;

/** A directory of its own with a gateway's files in it. */
export class Place {
  readonly path = mkdtempSync(join(tmpdir(), 'config-'));

  constructor(gateway = '') {
    this.write('gateway.yaml', gateway);
    this.write('providers/demo.yaml', provider);
    this.write('policies/security/one.yaml', policy);
  }

  write(name: string, text: string): string {
    const path = join(this.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  load(env: Record<string, string> = {}) {
    return loadConfig({ file: 'gateway.yaml', env, cwd: this.path });
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Loads a text as `gateway.yaml` and gives the problems, as `line:column message`. */
export async function problemsOf(gateway: string, env: Record<string, string> = {}): Promise<string[]> {
  const place = new Place(gateway);
  try {
    const { problems, settings } = await place.load(env);
    if ((settings === undefined) !== problems.length > 0) throw new Error('settings and problems at once');
    return problems.map(({ line, column, message }) => `${line ?? '-'}:${column ?? '-'} ${message}`);
  } finally {
    place.remove();
  }
}
