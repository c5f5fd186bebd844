import type { Policy, PolicyProblem, Program, Status } from '../policy/index.ts';
import type { Manifest } from './manifest.ts';

/** The policies of files, and what holds where no rule matched. */
export interface Base {
  readonly policies: readonly Policy[];
  readonly default: 'allow' | 'deny';
  /** Whether no policy at all is fine. Default: it is an error. */
  readonly emptyAllowed?: boolean;
  /** Policies that are not in force and that others may be made of. */
  readonly library?: readonly Policy[];
  /** What is wrong with a program where it is to be in force, beside what any program may not be. */
  readonly check?: (program: Program) => readonly PolicyProblem[];
}

export interface PolicyView {
  readonly id: string;
  readonly namespace: string;
  readonly version: string;
  readonly status: Status;
  readonly priority: number;
  /** How many. */
  readonly rules: number;
  /** Content hash. */
  readonly hash: string;
  readonly source: 'file' | 'managed';
  /** What a file defines is changed there. */
  readonly readonly: boolean;
  readonly name?: string;
  readonly tags: readonly string[];
  /** The folder of a policy's file, or a managed policy's first tag. */
  readonly category: string;
  /** Whether tests of it are known: named by it, or run when it was published. */
  readonly tested: boolean;
}

/** `namespace/id`. */
export function keyOf({ namespace, id }: { readonly namespace: string; readonly id: string }): string {
  return `${namespace}/${id}`;
}

/** Of every policy of a program, in its order; `managed` are those that no file defines. */
export function viewsOf(
  program: Program,
  base: Base,
  managed: readonly Policy[],
  manifest: Manifest,
): readonly PolicyView[] {
  const byKey = (policies: readonly Policy[]) => new Map(policies.map((policy) => [keyOf(policy.metadata), policy]));
  const [ofFiles, ofShelf] = [byKey(base.policies), byKey(managed)];
  const tested = new Set(
    manifest.policies.filter(({ versions }) => (versions.at(-1)?.tests ?? 0) > 0).map((one) => keyOf(one)),
  );
  return program.policies.map((summary): PolicyView => {
    const key = keyOf(summary);
    const file = ofFiles.get(key);
    const { name, tags = [] } = (file ?? ofShelf.get(key))?.metadata ?? {};
    return {
      ...summary,
      source: file === undefined ? 'managed' : 'file',
      readonly: file !== undefined,
      ...(name === undefined ? {} : { name }),
      tags,
      category: folderOf(file) ?? tags[0] ?? 'other',
      tested: file === undefined ? tested.has(key) : file.tests !== undefined,
    };
  });
}

/** The last folder a file lies in: `security` of `policies/security/secrets`. */
function folderOf(policy: Policy | undefined): string | undefined {
  const folders = policy?.source?.path.split('/').slice(0, -1) ?? [];
  const last = folders.at(-1);
  return last === undefined || last === '' || last === '.' ? undefined : last;
}

/** The policy of this id; without a namespace the one in `default`, or else the only one. */
export function findView(views: readonly PolicyView[], id: string, namespace?: string): PolicyView | undefined {
  const named = views.filter((view) => view.id === id && (namespace ?? view.namespace) === view.namespace);
  return named.find((view) => view.namespace === 'default') ?? (named.length === 1 ? named[0] : undefined);
}
