import { factOf } from './facts.ts';
import { reader } from './leaf.ts';
import { type LeafNode, leafNode } from './node.ts';
import { readFact } from './parse-condition.ts';
import type { Json, Phase, Policy, WasmWish } from './policy.ts';
import { inside, type Program } from './program.ts';
import { defined, isObject, type Reader } from './reader.ts';
import { withFact } from './record-facts.ts';
import type { Path } from './source.ts';
import { type FactTree, Unable } from './unable.ts';
import { wasmFact } from './wasm-fact.ts';

/** A module that has to be run before a phase is decided; its verdict is the fact. */
export interface WasmCall {
  readonly fact: string;
  /** As the policy writes it: a path beside the policy's file. */
  readonly module: string;
  /** The policy's file; undefined where the policy came from no file. */
  readonly file: string | undefined;
  readonly line: number;
  readonly sha256: string | undefined;
  /** Names of the facts that go in, and no others. */
  readonly inputs: readonly string[];
  readonly deadline_ms: number;
}

/** What a module said of its inputs. */
export type WasmAnswer = { readonly match: boolean; readonly reason?: string } | { readonly unable: string };

export const wasmLimits = { inputs: 64, deadline_ms: 10_000 } as const;
const deadline_default_ms = 10;
const keys = ['module', 'inputs', 'deadline_ms', 'sha256'];

/** Reads a rule's `wasm`; what is wrong with it is reported. */
export function readWasm(value: Json | undefined, path: Path, reader: Reader, phase: Phase): WasmWish | undefined {
  if (value === undefined) return undefined;
  const given = reader.object(value, path, keys);
  if (!isObject(value)) return undefined;
  if (phase !== 'request') reader.fault(path, 'wasm rules run before the call: on: request', undefined, 'key');
  const module = reader.text(given.module, [...path, 'module'], {
    like: /\.wasm$/,
    what: 'a path that ends with .wasm',
  });
  if (given.module === undefined) reader.fault(path, 'wasm needs a module');
  const names = reader.texts(given.inputs, [...path, 'inputs'], wasmLimits.inputs);
  if (given.inputs === undefined) reader.fault(path, 'wasm needs inputs: the facts it is given');
  const inputs = (names ?? []).flatMap((name, i) => readFact(name, [...path, 'inputs', i], reader, phase)?.name ?? []);
  const deadline_ms = reader.integer(given.deadline_ms, [...path, 'deadline_ms'], 1, wasmLimits.deadline_ms);
  const sha256 = reader.text(given.sha256, [...path, 'sha256'], {
    like: /^[0-9a-f]{64}$/,
    what: '64 hexadecimal digits',
  });
  return module === undefined ? undefined : defined({ module, inputs, deadline_ms, sha256 });
}

/** What a rule of a module asks: whether its verdict is a match. Without a verdict it is undecided, never "no match". */
export function wasmNode(policy: Policy, rule: string): LeafNode {
  const leaf = leafNode('eq', wasmFact(policy.metadata.namespace, policy.metadata.id, rule), true);
  const notRun = new Unable('its module was not run');
  const read = (facts: FactTree) => leaf.read(facts) ?? notRun;
  return { ...leaf, read, test: (facts) => (read(facts) === notRun ? 2 : leaf.test(facts)) };
}

/** The modules a phase of a program needs run. */
export function wasmCalls(program: Program, phase: Phase): readonly WasmCall[] {
  return inside(program).tables[phase].rules.flatMap(({ rule, policy }): WasmCall[] => {
    if (rule.wasm === undefined) return [];
    const { module, inputs, deadline_ms = deadline_default_ms, sha256 } = rule.wasm;
    const { namespace, id } = policy.metadata;
    const { file, line = 0 } = policy.source ?? {};
    return [{ fact: wasmFact(namespace, id, rule.id).name, module, file, line, sha256, inputs, deadline_ms }];
  });
}

/**
 * The facts with the verdicts of all modules a phase needs: `run` is handed each with its input, a flat JSON object of the
 * declared facts that are there. Where one of them could not be computed the verdict cannot be either.
 */
export async function withVerdicts(
  program: Program,
  phase: Phase,
  facts: FactTree,
  run: (call: WasmCall, input: string) => Promise<WasmAnswer>,
): Promise<FactTree> {
  const calls = wasmCalls(program, phase);
  if (calls.length === 0) return facts;
  const answers = await Promise.all(
    calls.map(async (call): Promise<WasmAnswer> => {
      const input = inputOf(call, facts);
      return input instanceof Unable ? { unable: input.reason } : await run(call, input);
    }),
  );
  return calls.reduce((known, call, i) => withAnswer(known, call, answers[i] ?? { unable: 'it was not run' }), facts);
}

function inputOf({ inputs }: WasmCall, facts: FactTree): string | Unable {
  const input: Record<string, unknown> = {};
  for (const name of inputs) {
    const fact = factOf(name);
    const value = fact === undefined ? undefined : reader(fact)(facts);
    const stray = Array.isArray(value) ? value.find((item) => item instanceof Unable) : value;
    if (stray instanceof Unable) return new Unable(`${name}: ${stray.reason}`);
    if (value !== undefined && value !== null) input[name] = value;
  }
  return JSON.stringify(input);
}

function withAnswer(facts: FactTree, { fact, inputs }: WasmCall, answer: WasmAnswer): FactTree {
  if ('unable' in answer) return withFact(facts, fact, new Unable(answer.unable));
  const known = withFact(facts, fact, answer.match);
  // A reason goes to the caller and into the record, where no prompt may stand.
  const quiet = inputs.some((name) => factOf(name)?.text === true);
  return answer.reason === undefined || quiet ? known : withFact(known, `${fact}:reason`, answer.reason);
}
