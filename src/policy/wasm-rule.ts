import { type LeafNode, leafNode } from './node.ts';
import { readFact } from './parse-condition.ts';
import type { Json, Phase, Policy, WasmWish } from './policy.ts';
import { defined, isObject, type Reader } from './reader.ts';
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
  /** It may run in the thread that asks. */
  readonly trusted: boolean;
  /** How long an answer may be used again, and whether by other gateways too; undefined: it may not. */
  readonly cache: { readonly ttl_ms: number; readonly shared: boolean } | undefined;
}

/** What a module said of its inputs. `cached`: it said so before, and was not run again. */
export type WasmAnswer =
  | { readonly match: boolean; readonly reason?: string; readonly cached?: true }
  | { readonly unable: string };

/** Runs a module on its input, a flat JSON object. Throws and rejects never: what goes wrong is unable. */
export type RunWasm = (call: WasmCall, input: string, asker: WasmAsker) => WasmAnswer | Promise<WasmAnswer>;

/** For whom a module is asked: what was said for one tenant is not used for another. */
export interface WasmAsker {
  readonly tenant: string;
}

export const wasmLimits = { inputs: 64, deadline_ms: 10_000, ttl_seconds: 86_400 } as const;
export const deadline_default_ms = 10;
const keys = ['module', 'inputs', 'deadline_ms', 'sha256', 'trusted', 'cache'];
/** What is another with each call or by itself: an answer to it is of no use later. */
const passing = /^(?:request\.(?:time|id)$|budget\.|usage\.|provider\.)/;

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
  const trusted = reader.flag(given.trusted, [...path, 'trusted']);
  const cache = readCache(given.cache, [...path, 'cache'], reader);
  if (trusted === true && given.deadline_ms !== undefined)
    reader.fault(
      [...path, 'deadline_ms'],
      'a trusted module cannot be interrupted: it has no deadline',
      undefined,
      'key',
    );
  if (trusted === true && cache !== undefined)
    reader.fault([...path, 'cache'], 'a trusted module answers sooner than a cache: it has none', undefined, 'key');
  const fleeting = inputs.find((name) => passing.test(name));
  if (cache !== undefined && fleeting !== undefined)
    reader.fault(
      [...path, 'cache'],
      `what a module says of ${fleeting} cannot be kept: that changes by itself`,
      undefined,
      'key',
    );
  return module === undefined ? undefined : defined({ module, inputs, deadline_ms, sha256, trusted, cache });
}

function readCache(value: Json | undefined, path: Path, reader: Reader): WasmWish['cache'] {
  if (value === undefined) return undefined;
  const given = reader.object(value, path, ['ttl_seconds', 'shared']);
  const ttl_seconds = reader.integer(given.ttl_seconds, [...path, 'ttl_seconds'], 1, wasmLimits.ttl_seconds);
  if (isObject(value) && given.ttl_seconds === undefined) reader.fault(path, 'cache needs ttl_seconds');
  const shared = reader.flag(given.shared, [...path, 'shared']);
  return ttl_seconds === undefined ? undefined : defined({ ttl_seconds, shared });
}

/** What a rule of a module asks: whether its verdict is a match. Without a verdict it is undecided, never "no match". */
export function wasmNode(policy: Policy, rule: string): LeafNode {
  const leaf = leafNode('eq', wasmFact(policy.metadata.namespace, policy.metadata.id, rule), true);
  const notRun = new Unable('its module was not run');
  const read = (facts: FactTree) => leaf.read(facts) ?? notRun;
  return { ...leaf, read, test: (facts) => (read(facts) === notRun ? 2 : leaf.test(facts)) };
}
