import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { prepare } from '../../../src/policy/cel/expression.ts';
import { typedOf, valueOfTyped } from '../../../src/policy/cel/typed-json.ts';
import { typeText } from '../../../src/policy/cel/types.ts';
import { evaluateExpression } from '../../../src/policy/eval.ts';
import { Unable } from '../../../src/policy/unable.ts';
import { type Case, celValueOf, environmentOf, inputOf, sections, shape, typeOf } from './suite.ts';

/** Files that are about protocol buffers from end to end: this language has no message types. */
const protobufFiles = ['dynamic', 'enums', 'proto2', 'proto2_ext', 'proto3', 'wrappers'];

/** Cases of other files that build or read a message. */
const message = /TestAllTypes|TestRequired|google\.protobuf\.\w+ *\{|NestedTestAllTypes|GlobalEnum/;

function readsMessages(one: Case): boolean {
  return (
    message.test(one.expr) || message.test(JSON.stringify([one.typeEnv, one.bindings, one.value, one.typedResult]))
  );
}

/** What is wrong with our answer to a case; undefined where it is the specification's. */
function wrong(one: Case): string | undefined {
  let outcome: unknown;
  try {
    const expression = prepare(one.expr, environmentOf(one));
    const wanted = one.typedResult?.deducedType;
    if (wanted !== undefined && typeText(expression.type) !== typeText(typeOf(wanted)))
      return `is of type ${typeText(expression.type)}, not ${typeText(typeOf(wanted))}`;
    if (one.checkOnly === true) return undefined;
    outcome = expression.evaluate(inputOf(one));
  } catch (thrown) {
    return `does not load: ${(thrown as Error).message}`;
  }
  if (one.evalError !== undefined)
    return outcome instanceof Unable ? undefined : `is ${JSON.stringify(shape(outcome))}, not an error`;
  if (outcome instanceof Unable) return `is an error: ${outcome.reason}`;
  const value = one.value ?? one.typedResult?.result ?? { boolValue: true };
  const [came, wanted] = [JSON.stringify(shape(outcome)), JSON.stringify(shape(celValueOf(value)))];
  return came === wanted ? undefined : `is ${came}, not ${wanted}`;
}

/** How many cases of each file are left out for the messages in them. What is not named here is run whole. */
const leftOut: Readonly<Record<string, number>> = {
  block_ext: 12,
  comparisons: 72,
  optionals: 11,
  parse: 26,
  string_ext: 3,
  type_deductions: 21,
};

const considered = sections.filter(({ file }) => !protobufFiles.includes(file));
const cases = considered.flatMap(({ file, section, cases }) => cases.map((one) => ({ file, section, one })));
const run = cases.filter(({ one }) => !readsMessages(one));

describe("the specification's conformance suite", () => {
  for (const { file, section } of considered) {
    it(`is answered as specified: ${file}/${section}`, () => {
      const here = run.filter((known) => known.file === file && known.section === section);
      const failures = here.flatMap(({ one }) => {
        const fault = wrong(one);
        return fault === undefined ? [] : [`${one.name}: ${one.expr} ${fault}`];
      });
      expect(failures).toEqual([]);
    });
  }

  it('is run, all of it but what is about messages of protocol buffers', () => {
    const counts: Record<string, number> = {};
    for (const { file, one } of cases) if (readsMessages(one)) counts[file] = (counts[file] ?? 0) + 1;
    expect(counts).toEqual(leftOut);
    expect(run.length).toBe(1651);
    expect(protobufFiles.every((name) => sections.some(({ file }) => file === name))).toBe(true);
  });

  it('passes, at least 99 of 100', () => {
    const passed = run.filter(({ one }) => wrong(one) === undefined).length;
    expect(passed / run.length).toBeGreaterThanOrEqual(0.99);
  });

  it('is answered the same through typed JSON, but for names that need a container', () => {
    const apart = run.flatMap(({ file, one }) => {
      if (one.checkOnly === true) return [];
      const bindings = Object.entries(inputOf(one)).map(([name, value]) => [name, typedOf(value)] as const);
      const given = JSON.parse(JSON.stringify(Object.fromEntries(bindings))) as Record<string, unknown>;
      const answer = evaluateExpression(one.expr, given, { typed: true });
      if (one.evalError !== undefined) return 'error' in answer ? [] : [`${file}/${one.name}`];
      const wanted = celValueOf(one.value ?? one.typedResult?.result ?? { boolValue: true });
      const same = 'value' in answer && isDeepStrictEqual(shape(valueOfTyped(answer.value)), shape(wanted));
      return same ? [] : [`${file}/${one.name}`];
    });
    expect(apart).toEqual(['namespace/self_eval_container_lookup', 'namespace/self_eval_container_lookup_unchecked']);
  });
});
