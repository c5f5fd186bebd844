import type { Policy } from '../policy.ts';
import { isObject } from '../reader.ts';
import { type Path, readDocuments, type SourceDocument } from '../source.ts';

export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Where policies and their parts stand in their files. */
export class Places {
  readonly #documents = new Map<string, SourceDocument>();

  constructor(files: readonly { readonly file: string; readonly text: string }[]) {
    for (const { file, text } of files)
      for (const document of readDocuments(text, file).documents)
        this.#documents.set(`${file}:${document.place([], 'value').line}`, document);
  }

  ofPolicy({ source }: Policy, path: Path = [], of: 'key' | 'value' = 'key'): Place {
    const { file = 'policy', line = 0 } = source ?? {};
    const document = this.#documents.get(`${file}:${line}`);
    const place = document?.place(path, of) ?? { line, column: line > 0 ? 1 : 0 };
    return { file, ...place };
  }

  /** Whether a policy's own text has a rule of this id, or a parameter of this name. */
  says({ source }: Policy, what: 'rules' | 'params', name: string): boolean {
    const document = this.#documents.get(`${source?.file}:${source?.line}`);
    const part = isObject(document?.value) ? document.value[what] : undefined;
    if (what === 'params') return isObject(part) && Object.hasOwn(part, name);
    return Array.isArray(part) && part.some((rule) => isObject(rule) && rule.id === name);
  }

  /** Of a rule, or of the first of the given parts that stands in it. */
  ofRule(policy: Policy, id: string, ...parts: readonly string[]): Place {
    const document = this.#documents.get(`${policy.source?.file}:${policy.source?.line}`);
    const rules = isObject(document?.value) ? document.value.rules : undefined;
    const at = Array.isArray(rules) ? rules.findIndex((rule) => isObject(rule) && rule.id === id) : -1;
    if (at < 0 || !Array.isArray(rules)) return this.ofPolicy(policy);
    const rule: unknown = rules[at];
    const part = parts.find((name) => isObject(rule) && rule[name] !== undefined);
    return part === undefined
      ? this.ofPolicy(policy, ['rules', at, 'id'])
      : this.ofPolicy(policy, ['rules', at, part], 'key');
  }
}
