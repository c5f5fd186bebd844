import { compile, fmt, type Policy, PolicyError, type Program, parsePolicies } from '../policy/index.ts';
import type { Manifest, Shelved, VersionView } from './manifest.ts';
import type { Shelf } from './policy-files.ts';
import { type Base, findView, keyOf, type PolicyView, viewsOf } from './policy-view.ts';
import { loadedKeys, published, rolledBack, unloaded } from './publishing.ts';

/** What changed, told when it is in force in this process. Policies are named `namespace/id`. */
export interface PolicyChange {
  readonly revision: number;
  /** Id of the program in force now. */
  readonly program: string;
  readonly loaded: readonly string[];
  readonly unloaded: readonly string[];
}

export interface LoadOptions {
  /** Tests that were run with these policies and passed, kept with the versions. */
  readonly tests?: number;
}

/** Policies in force: those of files, which are read-only here, and managed ones beside them. */
export interface PolicySet {
  /** All of them, compiled together. */
  program(): Program;
  /** Counts up with each change of managed policies. */
  readonly revision: number;
  list(): readonly PolicyView[];
  /** Without a namespace: the one in `default`, or else the only one of this id. */
  get(id: string, namespace?: string): (PolicyView & { readonly text: string }) | undefined;
  /** The policies themselves, in no order. */
  policies(): readonly Policy[];
  /**
   * Publishes the policies of these texts as new versions, all or none: they are compiled with everything in force first.
   * One that is in force with the same content stays as it is.
   * @throws PolicyError, or PolicyRefusal where a file defines it.
   */
  load(texts: readonly string[], by: string, options?: LoadOptions): Promise<readonly PolicyView[]>;
  /** Takes a managed policy out of force; its versions stay. Whether it was in force. @throws PolicyError, PolicyRefusal */
  unload(id: string, namespace: string, by: string): Promise<boolean>;
  /** Of a managed policy, oldest first; empty for one that never was. */
  versions(id: string, namespace: string): readonly VersionView[];
  /** Publishes the content of an old version as a new one. @throws PolicyError, PolicyRefusal */
  rollback(id: string, namespace: string, version: number, by: string): Promise<PolicyView>;
  /** The program these texts would make, with everything else in force. Changes nothing. @throws as `load` */
  trial(texts: readonly string[]): { readonly program: Program; readonly policies: readonly Policy[] };
  subscribe(listener: (change: PolicyChange) => void): () => void;
  /** What other files would make of it; `commit` puts them in force. @throws PolicyError */
  rebase(base: Base): { readonly program: Program; commit(): void };
  close(): void;
}

export interface PolicySetOptions {
  readonly shelf: Shelf;
  readonly base: Base;
  /** Unix ms. */
  readonly clock: () => number;
  /** Told when what was published elsewhere cannot be put in force here; what was in force stays. */
  readonly onProblem?: (error: Error) => void;
}

interface InForce {
  readonly base: Base;
  readonly manifest: Manifest;
  readonly program: Program;
}

/** Opens a set over a shelf. @throws PolicyError, or Error where the shelf cannot be read. */
export function openPolicySet({ shelf, base, clock, onProblem }: PolicySetOptions): PolicySet {
  const listeners = new Set<(change: PolicyChange) => void>();
  /** Parsed texts of versions in force, by their hash: the same policy is the same object in every program. */
  let parsed = new Map<string, Policy>();
  const policyOf = ({ namespace, id, versions }: Shelved): Policy => {
    const newest = versions.at(-1) as VersionView;
    const known = parsed.get(newest.hash);
    if (known !== undefined) return known;
    const file = `managed/${namespace}/${id}@${newest.number}`;
    const [policy] = parsePolicies(shelf.text(newest.hash), { file });
    if (policy === undefined) throw new Error(`${file} holds no policy`);
    parsed.set(newest.hash, policy);
    return policy;
  };
  const managedOf = ({ policies }: Manifest): readonly Policy[] =>
    policies.filter(({ loaded }) => loaded).map(policyOf);
  /** What is in force already is not compiled again. */
  const compiled = (files: Base, manifest: Manifest, previous?: Program): Program =>
    programOf(files, [...files.policies, ...managedOf(manifest)], previous);

  const first = shelf.read();
  let inForce: InForce = { base, manifest: first, program: compiled(base, first) };

  const install = (next: InForce): void => {
    const before = inForce;
    inForce = next;
    const hashes = new Set(next.manifest.policies.map(({ versions }) => versions.at(-1)?.hash));
    parsed = new Map([...parsed].filter(([hash]) => hashes.has(hash)));
    const [old, now] = [loadedKeys(before.manifest), loadedKeys(next.manifest)];
    const loaded = [...now].filter(([key, hash]) => old.get(key) !== hash).map(([key]) => key);
    const gone = [...old.keys()].filter((key) => !now.has(key));
    const change = { revision: next.manifest.revision, program: next.program.id, loaded, unloaded: gone };
    for (const listener of listeners) listener(change);
  };
  const look = (): void => {
    try {
      const manifest = shelf.read();
      if (manifest.revision === inForce.manifest.revision) return;
      install({ ...inForce, manifest, program: compiled(inForce.base, manifest, inForce.program) });
    } catch (error) {
      onProblem?.(error as Error);
    }
  };
  /** Compiled before it is written, written before it is in force. */
  const change = async (edit: (manifest: Manifest) => Manifest): Promise<void> => {
    let made: InForce | undefined;
    await shelf.edit((manifest) => {
      const next = edit(manifest);
      if (next !== manifest)
        made = { ...inForce, manifest: next, program: compiled(inForce.base, next, inForce.program) };
      return next;
    });
    if (made !== undefined && made.manifest.revision > inForce.manifest.revision) install(made);
  };
  const who = (by: string) => ({ by, at: new Date(clock()).toISOString() });
  const views = (): readonly PolicyView[] => {
    const { base: files, manifest, program } = inForce;
    return viewsOf(program, files, managedOf(manifest), manifest);
  };
  const stop = shelf.watch(look);

  return {
    program: () => inForce.program,
    get revision() {
      return inForce.manifest.revision;
    },
    list: views,
    get(id, namespace) {
      const view = findView(views(), id, namespace);
      if (view === undefined) return undefined;
      const policy = [...inForce.base.policies, ...managedOf(inForce.manifest)].find(
        ({ metadata }) => metadata.id === view.id && metadata.namespace === view.namespace,
      );
      return policy === undefined ? undefined : { ...view, text: fmt(policy) };
    },
    policies: () => [...inForce.base.policies, ...managedOf(inForce.manifest)],
    async load(texts, by, { tests } = {}) {
      const policies = readTexts(texts);
      await change((manifest) => published(manifest, policies, inForce.base, shelf.keep, { ...who(by), tests }));
      const keys = new Set(policies.map(({ metadata }) => keyOf(metadata)));
      return views().filter((view) => keys.has(keyOf(view)));
    },
    async unload(id, namespace) {
      let was = false;
      await change((manifest) => {
        const next = unloaded(manifest, { id, namespace }, inForce.base);
        was = next !== manifest;
        return next;
      });
      return was;
    },
    versions: (id, namespace) =>
      inForce.manifest.policies.find((one) => one.id === id && one.namespace === namespace)?.versions ?? [],
    async rollback(id, namespace, version, by) {
      await change((manifest) => rolledBack(manifest, { id, namespace }, version, inForce.base, who(by)));
      const view = findView(views(), id, namespace);
      if (view === undefined) throw new Error(`${namespace}/${id} was taken out of force meanwhile`);
      return view;
    },
    trial(texts) {
      const policies = readTexts(texts);
      const keys = new Set(policies.map(({ metadata }) => keyOf(metadata)));
      const others = [...inForce.base.policies, ...managedOf(inForce.manifest)].filter(
        ({ metadata }) => !keys.has(keyOf(metadata)),
      );
      return {
        policies,
        program: programOf(inForce.base, [...others, ...policies], inForce.program),
      };
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    rebase(next) {
      const { manifest } = inForce;
      const program = compiled(next, manifest, inForce.program);
      return {
        program,
        commit() {
          install({ base: next, manifest, program });
          // Something may have been published between the two.
          look();
        },
      };
    },
    close: stop,
  };
}

/** These policies compiled and checked, as the base says. @throws PolicyError */
function programOf(base: Base, policies: readonly Policy[], previous: Program | undefined): Program {
  const { default: otherwise, emptyAllowed = false, library = [], check } = base;
  const program = compile(policies, { default: otherwise, emptyAllowed, library, previous });
  const problems = check?.(program) ?? [];
  if (problems.length > 0) throw new PolicyError(problems);
  return program;
}

/** All policies of these texts. @throws PolicyError where one is not valid, or there is none, or one twice. */
function readTexts(texts: readonly string[]): readonly Policy[] {
  const policies = texts.flatMap((text, at) =>
    parsePolicies(text, { file: texts.length === 1 ? 'policy' : `policies[${at}]` }),
  );
  const whole = (message: string) => new PolicyError([{ file: 'policies', line: 0, column: 0, message }]);
  if (policies.length === 0) throw whole('there is no policy in the text');
  // A module lies beside its policy's file, and this policy comes without one.
  const rule = policies.flatMap(({ rules }) => rules).find(({ wasm }) => wasm !== undefined);
  if (rule !== undefined) throw whole(`the rule ${rule.id} names a module: only policies in files can`);
  const seen = new Set<string>();
  for (const { metadata } of policies) {
    const key = keyOf(metadata);
    if (seen.has(key)) throw whole(`the policy ${key} stands there twice`);
    seen.add(key);
  }
  return policies;
}
