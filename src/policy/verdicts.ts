import { factOf } from './facts.ts';
import { type Read, reader } from './leaf.ts';
import { factsRead } from './node.ts';
import type { PhaseTable } from './phase-table.ts';
import type { Phase } from './policy.ts';
import { inside, type Program } from './program.ts';
import { withFact } from './record-facts.ts';
import { mattering, type Pending } from './skip.ts';
import { type FactTree, notAsked, Unable } from './unable.ts';
import { wasmFact } from './wasm-fact.ts';
import { deadline_default_ms, type RunWasm, type WasmAnswer, type WasmAsker, type WasmCall } from './wasm-rule.ts';

/** Facts with what modules said. */
export interface Told {
  readonly facts: FactTree;
  /** Verdicts nobody was asked for, since they could change nothing that is enforced. */
  readonly skipped: readonly string[];
  /** How many were asked for, and how many of those modules had said the same before and were not run. */
  readonly asked: number;
  readonly hits: number;
}

/** What runs modules. */
export interface Modules {
  readonly run: RunWasm;
  /** Told of each decision's verdicts, for metrics. */
  readonly tell?: ((told: Told) => void) | undefined;
}

export interface VerdictOptions extends WasmAsker {
  readonly modules: Modules;
  /** The same facts with those `Unable` that may yet become others: a verdict is skipped only whatever they become. */
  readonly unsettled?: FactTree;
  /** Verdicts among the facts stand: a test says what a module said. */
  readonly keep?: boolean;
}

/** A module of a program, ready to be asked. */
interface Question {
  readonly call: WasmCall;
  readonly inputs: readonly { readonly name: string; readonly read: Read }[];
  /** Whether a prompt is among its inputs. */
  readonly quiet: boolean;
  readonly verdict: Read;
}

interface Plan {
  readonly questions: readonly Question[];
  readonly pending: Pending;
}

const plans = new WeakMap<PhaseTable, Plan>();

/** The modules a phase of a program needs run. */
export function wasmCalls(program: Program, phase: Phase): readonly WasmCall[] {
  return planOf(inside(program).tables[phase]).questions.map(({ call }) => call);
}

/**
 * The facts with the verdicts of the modules a phase needs: `run` is handed each with its input, a flat JSON object of the
 * declared facts that are there. Where one of them could not be computed the verdict cannot be either. At once where every
 * module answers at once.
 */
export function withVerdicts(program: Program, phase: Phase, facts: FactTree, options: VerdictOptions): Later<Told> {
  const table = inside(program).tables[phase];
  const { questions, pending } = planOf(table);
  if (questions.length === 0) return { facts, skipped: [], asked: 0, hits: 0 };
  const open = options.keep === true ? questions.filter(({ verdict }) => verdict(facts) === undefined) : questions;
  const { modules, unsettled = facts } = options;
  const ask = ({ call, inputs }: Question): Later<WasmAnswer> => {
    const input = inputOf(inputs, facts);
    return input instanceof Unable ? { unable: input.reason } : modules.run(call, input, options);
  };
  // What somebody vouches for is answered sooner than it is found out whether it matters.
  const near = open.filter(({ call }) => call.trusted);
  const dear = open.filter(({ call }) => !call.trusted);
  return after(allOf(near.map(ask)), (said) => {
    const names = dear.map(({ call }) => call.fact);
    const matter = names.length === 0 ? none : mattering(table, withAnswers(unsettled, near, said), pending, names);
    const asked = allOf(dear.map((one) => (matter.has(one.call.fact) ? ask(one) : { unable: notAsked })));
    return after(asked, (more) => {
      const known = told(facts, [...near, ...dear], [...said, ...more]);
      modules.tell?.(known);
      return known;
    });
  });
}

const none: ReadonlySet<string> = new Set();

type Later<T> = T | Promise<T>;

/** At once where the value is there. */
function after<A, B>(value: Later<A>, next: (value: A) => Later<B>): Later<B> {
  return value instanceof Promise ? value.then(next) : next(value);
}

function allOf(answers: readonly Later<WasmAnswer>[]): Later<readonly WasmAnswer[]> {
  return answers.some((answer) => answer instanceof Promise)
    ? Promise.all(answers)
    : (answers as readonly WasmAnswer[]);
}

function planOf(table: PhaseTable): Plan {
  let plan = plans.get(table);
  if (plan === undefined) {
    plan = { questions: questionsOf(table), pending: pendingOf(table) };
    plans.set(table, plan);
  }
  return plan;
}

function questionsOf({ rules, needs }: PhaseTable): readonly Question[] {
  if (![...needs.facts].some(isVerdict)) return [];
  return rules.flatMap(({ rule, policy, live }): Question[] => {
    if (rule.wasm === undefined || !live) return [];
    const { module, inputs, deadline_ms = deadline_default_ms, sha256, trusted = false, cache } = rule.wasm;
    const { namespace, id } = policy.metadata;
    const { file, line = 0 } = policy.source ?? {};
    const fact = wasmFact(namespace, id, rule.id);
    const keeping =
      cache === undefined ? undefined : { ttl_ms: cache.ttl_seconds * 1000, shared: cache.shared === true };
    const read = inputs.flatMap((name) => {
      const known = factOf(name);
      return known === undefined ? [] : [{ name, text: known.text, read: reader(known) }];
    });
    const call = { fact: fact.name, module, file, line, sha256, inputs, deadline_ms, trusted, cache: keeping };
    return [{ call, inputs: read, quiet: read.some(({ text }) => text), verdict: reader(fact) }];
  });
}

/** Which rules read verdicts, and which: by condition or in their reason. */
function pendingOf({ rules, needs }: PhaseTable): Pending {
  const byRule = new Map<number, readonly string[]>();
  if (![...needs.facts].some(isVerdict)) return byRule;
  for (const [position, { leaves, node, reason }] of rules.entries()) {
    const read = [...(node === undefined ? [] : leaves.flatMap(factsRead)).map(({ name }) => name), ...reason.facts];
    const verdicts = read.filter(isVerdict).map((name) => name.replace(/:reason$/, ''));
    if (verdicts.length > 0) byRule.set(position, [...new Set(verdicts)]);
  }
  return byRule;
}

function isVerdict(name: string): boolean {
  return name.startsWith('wasm:');
}

function inputOf(inputs: Question['inputs'], facts: FactTree): string | Unable {
  const input: Record<string, unknown> = {};
  for (const { name, read } of inputs) {
    const value = read(facts);
    const stray = Array.isArray(value) ? value.find((item) => item instanceof Unable) : value;
    if (stray instanceof Unable) return new Unable(`${name}: ${stray.reason}`);
    if (value !== undefined && value !== null) input[name] = value;
  }
  return JSON.stringify(input);
}

function told(facts: FactTree, questions: readonly Question[], answers: readonly WasmAnswer[]): Told {
  const skipped = questions.filter((_, at) => isSkipped(answers[at])).map(({ call }) => call.fact);
  const hits = answers.filter((answer) => 'cached' in answer && answer.cached === true).length;
  return { facts: withAnswers(facts, questions, answers), skipped, asked: answers.length - skipped.length, hits };
}

function isSkipped(answer: WasmAnswer | undefined): boolean {
  return answer !== undefined && 'unable' in answer && answer.unable === notAsked;
}

function withAnswers(facts: FactTree, questions: readonly Question[], answers: readonly WasmAnswer[]): FactTree {
  let known = facts;
  for (const [at, { call, quiet }] of questions.entries()) {
    const answer = answers[at] ?? { unable: 'it was not run' };
    if ('unable' in answer) {
      known = withFact(known, call.fact, new Unable(answer.unable));
      continue;
    }
    known = withFact(known, call.fact, answer.match);
    // A reason goes to the caller and into the record, where no prompt may stand.
    if (answer.reason !== undefined && !quiet) known = withFact(known, `${call.fact}:reason`, answer.reason);
  }
  return known;
}
