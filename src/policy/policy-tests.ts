import { parseAddress } from './cidr.ts';
import { decide } from './decide.ts';
import type { Decision } from './decision.ts';
import { factOf, nearestFact } from './facts.ts';
import { mockedFacts } from './function-mocks.ts';
import { effects, type Json, type Phase, type Policy, phases } from './policy.ts';
import { PolicyError, type PolicyProblem } from './problem.ts';
import { compile, type Program } from './program.ts';
import { isObject, type JsonObject, Reader } from './reader.ts';
import { canonicalFacts, withFact } from './record-facts.ts';
import { type Path, readDocuments } from './source.ts';
import { type FactTree, Unable } from './unable.ts';

export interface PolicyTestResult {
  /** The test's name, and the case's number or name. */
  readonly name: string;
  readonly passed: boolean;
  /** What was expected and what came, one line for each difference. */
  readonly failures: readonly string[];
  readonly decision: Decision;
}

export interface PolicyTestReport {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly results: readonly PolicyTestResult[];
}

const expectKeys = [
  'decision',
  'allowed',
  'by',
  'reason',
  'matched',
  'obligations',
  'modifications',
  'shadowed',
  'unable',
  'warnings',
  'status',
  'code',
  'tags',
];

interface Setup {
  readonly reader: Reader;
  readonly program: Program;
  readonly fixtures: JsonObject;
  readonly strict: boolean;
  readonly now: Json | undefined;
  readonly observe: PolicyTestOptions['observe'];
  /** What functions give where a test does not say it. */
  readonly mocked: readonly (readonly [fact: string, value: Json])[];
}

export interface PolicyTestOptions {
  /** As messages name it. */
  readonly file?: string;
  /** Told of each decision before it is made. */
  readonly observe?: ((program: Program, phase: Phase, facts: FactTree) => void) | undefined;
}

/** A test's facts before its decision: what answers hands them back, with what modules say. */
interface Question {
  readonly program: Program;
  readonly phase: Phase;
  readonly facts: FactTree;
}

type Asking<T> = Generator<Question, T, FactTree>;

/** Adds to a test's facts what modules say, where the test does not say it itself. */
export type TellTest = (program: Program, phase: Phase, facts: FactTree) => FactTree | Promise<FactTree>;

/**
 * Runs a file of policy tests. `loadPolicy` is handed each entry of `policies` as it stands there (a path beside the
 * test file) and returns the policies of that file, and each of `library`, which others are made of; reading files is the
 * caller's affair. `mocks: { functions: { requestCount: 12 } }` says what functions that read the world give.
 * `{ unable: "why" }` as a fact's value stands for one that could not be computed.
 * @throws PolicyError where the file is not a valid test file, or a policy does not load.
 */
export function runPolicyTests(
  text: string,
  loadPolicy: (reference: string) => readonly Policy[],
  options: PolicyTestOptions = {},
): PolicyTestReport {
  const running = runAll(text, loadPolicy, options);
  for (let step = running.next(); ; step = running.next(step.value.facts)) if (step.done === true) return step.value;
}

/** The same, with modules: `tell` is handed each test's facts before they are decided on. Rejects as the other throws. */
export async function runPolicyTestsWith(
  text: string,
  loadPolicy: (reference: string) => readonly Policy[],
  options: PolicyTestOptions & { readonly tell: TellTest },
): Promise<PolicyTestReport> {
  const running = runAll(text, loadPolicy, options);
  let step = running.next();
  while (step.done !== true) {
    const { program, phase, facts } = step.value;
    step = running.next(await options.tell(program, phase, facts));
  }
  return step.value;
}

function* runAll(
  text: string,
  loadPolicy: (reference: string) => readonly Policy[],
  options: PolicyTestOptions,
): Asking<PolicyTestReport> {
  const file = options.file ?? 'policytest';
  const { documents, problems } = readDocuments(text, file);
  const [document] = documents;
  if (problems.length > 0 || document === undefined) {
    throw new PolicyError(
      problems.length > 0 ? problems : [{ file, line: 1, column: 1, message: 'the file holds no tests' }],
    );
  }
  const reader = new Reader(file, document);
  const given = reader.object(
    document.value,
    [],
    ['apiVersion', 'kind', 'metadata', 'policies', 'library', 'options', 'fixtures', 'mocks', 'tests'],
  );
  if (given.apiVersion !== 'llm-policy/v1') reader.fault(['apiVersion'], 'apiVersion must be llm-policy/v1');
  if (given.kind !== 'PolicyTest') reader.fault(['kind'], 'kind must be PolicyTest');
  const metadata = reader.object(given.metadata ?? {}, ['metadata'], ['name', 'description']);
  const settings = reader.object(given.options ?? {}, ['options'], ['now', 'strict', 'default']);
  const fallback = reader.oneOf(settings.default, ['options', 'default'], ['allow', 'deny'] as const) ?? 'allow';
  const policies = (reader.texts(given.policies, ['policies']) ?? []).flatMap(loadPolicy);
  const library = (reader.texts(given.library, ['library']) ?? []).flatMap(loadPolicy);
  const mocks = reader.object(given.mocks ?? {}, ['mocks'], ['functions']);
  const fixtures = given.fixtures === undefined ? {} : isObject(given.fixtures) ? given.fixtures : {};
  const tests = Array.isArray(given.tests) ? given.tests : [];
  if (tests.length === 0) reader.fault(['tests'], 'tests must be a list of at least one test');
  stop(reader.problems);
  const program = compile(policies, { default: fallback, library });
  const mocked = mockedFacts(mocks.functions, ['mocks', 'functions'], program, reader);
  stop(reader.problems);
  const setup: Setup = {
    reader,
    program,
    mocked,
    fixtures,
    strict: settings.strict !== false,
    now: settings.now,
    observe: options.observe,
  };
  const results: PolicyTestResult[] = [];
  for (const [i, test] of tests.entries()) results.push(...(yield* runTest(test, ['tests', i], setup)));
  stop(reader.problems);
  const passed = results.filter((result) => result.passed).length;
  return {
    name: typeof metadata.name === 'string' ? metadata.name : file,
    passed,
    failed: results.length - passed,
    results,
  };
}

function stop(problems: readonly PolicyProblem[]): void {
  if (problems.length > 0) throw new PolicyError(problems);
}

function* runTest(value: Json, path: Path, setup: Setup): Asking<readonly PolicyTestResult[]> {
  const { reader } = setup;
  const test = reader.object(value, path, ['name', 'on', 'input', 'expect', 'cases']);
  const name = reader.text(test.name, [...path, 'name'], { max: 300 }) ?? `test ${String(path.at(-1))}`;
  const on = reader.oneOf(test.on, [...path, 'on'], phases) ?? 'request';
  const mocked = setup.mocked.reduce<FactTree>(
    (facts, [fact, value]) => put(facts, fact, value, ['mocks', 'functions'], reader, setup.strict),
    {},
  );
  const facts = readInput(test.input ?? {}, mocked, [...path, 'input'], setup);
  const results: PolicyTestResult[] = [];
  if (test.expect === undefined && test.cases === undefined) reader.fault(path, 'a test needs expect or cases');
  if (test.expect !== undefined) {
    results.push(
      yield* check(
        name,
        on,
        facts,
        reader.object(test.expect, [...path, 'expect'], expectKeys),
        [...path, 'expect'],
        setup,
      ),
    );
  }
  for (const [i, item] of (Array.isArray(test.cases) ? test.cases : []).entries()) {
    const place = [...path, 'cases', i];
    const one = reader.object(item, place, ['name', 'on', 'use', 'set', ...expectKeys]);
    const { name: caseName, on: caseOn, use, set, ...expected } = one;
    const phase = reader.oneOf(caseOn, [...place, 'on'], phases) ?? on;
    const input: JsonObject = { ...(use === undefined ? {} : { use }), ...(set === undefined ? {} : { set }) };
    const label = typeof caseName === 'string' ? caseName : String(i + 1);
    results.push(
      yield* check(`${name} (${label})`, phase, readInput(input, facts, place, setup), expected, place, setup),
    );
  }
  return results;
}

function readInput(value: Json, base: FactTree, path: Path, { reader, fixtures, strict, now }: Setup): FactTree {
  const input = reader.object(value, path, ['use', 'set']);
  let facts: FactTree = base;
  for (const name of typeof input.use === 'string' ? [input.use] : (reader.texts(input.use, [...path, 'use']) ?? [])) {
    const fixture = Object.hasOwn(fixtures, name) ? fixtures[name] : undefined;
    if (!isObject(fixture)) reader.fault([...path, 'use'], `unknown fixture ${name}`);
    else
      for (const [fact, leaf] of flat(fixture, '')) facts = put(facts, fact, leaf, ['fixtures', name], reader, strict);
  }
  for (const [fact, leaf] of isObject(input.set) ? Object.entries(input.set) : [])
    facts = put(facts, fact, leaf, [...path, 'set', fact], reader, strict);
  if (now !== undefined && (facts.request as FactTree | undefined)?.time === undefined)
    facts = withFact(facts, 'request.time', now);
  return facts;
}

// A fixture as dotted names; a mapping that is itself a fact's value (`{unable: ...}`) is a leaf.
function flat(tree: JsonObject, prefix: string): readonly (readonly [string, Json])[] {
  return Object.entries(tree).flatMap(([key, value]): readonly (readonly [string, Json])[] => {
    const name = prefix === '' ? key : `${prefix}.${key}`;
    return isObject(value) && !isUnable(value) ? flat(value, name) : [[name, value]];
  });
}

function isUnable(value: JsonObject): boolean {
  return typeof value.unable === 'string' && Object.keys(value).length === 1;
}

function put(facts: FactTree, name: string, value: Json, path: Path, reader: Reader, strict: boolean): FactTree {
  const unable = isObject(value) && isUnable(value);
  // `rails.pii: {unable: ...}` is a whole rail that could not answer.
  const group = unable && factOf(`${name}.found`) !== undefined;
  if (strict && !group && factOf(name) === undefined) reader.fault(path, `unknown fact ${name}`, nearestFact(name));
  if (name === 'request.ip' && typeof value === 'string' && parseAddress(value) === undefined)
    reader.fault(path, `${value} is no IP address`);
  return canonicalFacts(withFact(facts, name, unable ? new Unable(String((value as JsonObject).unable)) : value));
}

function* check(
  name: string,
  on: Phase,
  given: FactTree,
  expected: JsonObject,
  path: Path,
  { reader, program, observe }: Setup,
): Asking<PolicyTestResult> {
  if (expected.decision !== undefined) reader.oneOf(expected.decision, [...path, 'decision'], effects);
  const facts = yield { program, phase: on, facts: given };
  observe?.(program, on, facts);
  const decision = decide(program, on, facts);
  const failures: string[] = [];
  const same = (what: string, wanted: Json | undefined, came: unknown) => {
    if (wanted !== undefined && !matches(wanted, came))
      failures.push(`${what}: expected ${JSON.stringify(wanted)}, came ${JSON.stringify(came)}`);
  };
  same('decision', expected.decision, decision.decision);
  same('allowed', expected.allowed, decision.allowed);
  same('by', expected.by, decision.determining);
  same('matched', expected.matched, decision.matchedRules);
  same('reason', expected.reason, decision.reason);
  same('status', expected.status, decision.status);
  same('code', expected.code, decision.code);
  same('warnings', expected.warnings, decision.warnings);
  same('tags', expected.tags, decision.tags);
  same('obligations', expected.obligations, decision.obligations);
  same('modifications', expected.modifications, decision.modifications);
  const names = (list: readonly { readonly rule: string }[]) => [...new Set(list.map((entry) => entry.rule))];
  same('shadowed', expected.shadowed, names(decision.shadowed));
  same('unable', expected.unable, names(decision.unable));
  return { name, passed: failures.length === 0, failures, decision };
}

// A mapping may tell part of what it expects; lists and values are told whole.
function matches(wanted: Json, came: unknown): boolean {
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(came) && came.length === wanted.length && wanted.every((item: Json, i) => matches(item, came[i]))
    );
  }
  if (!isObject(wanted)) return wanted === came;
  return (
    typeof came === 'object' &&
    came !== null &&
    Object.entries(wanted).every(([key, member]) => matches(member, (came as Record<string, unknown>)[key]))
  );
}
