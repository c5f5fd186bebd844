export { contentHash } from './canonical.ts';
export { resolvePolicies } from './compose.ts';
export { Coverage, type CoverageReport, type CoveredLeaf, type CoveredRule } from './coverage.ts';
export { decide } from './decide.ts';
export type {
  Decision,
  Doubt,
  Modifications,
  Obligation,
  Redaction,
  Shadowed,
  Throttle,
} from './decision.ts';
export { type DecisionInWords, inWords, type ToldRule } from './decision-words.ts';
export { type Evaluated, evaluateExpression } from './eval.ts';
export {
  type Clock,
  type EvaluateResponse,
  evaluateContext,
  evaluateTold,
  evaluateWith,
  tellContext,
} from './evaluate.ts';
export { type ExplainedNode, type ExplainedRule, type Explanation, explain } from './explain.ts';
export { type Fact, type FactType, factNames, factOf, factPath } from './facts.ts';
export { fmt } from './fmt.ts';
export { glob } from './glob.ts';
export {
  type EngineOptions,
  type EvaluateRequest,
  PolicyEngine,
  PolicyParser,
} from './library.ts';
export { type Finding, type FindingCode, type LintReport, type Severity, severities } from './lint/finding.ts';
export { type LintInput, lint } from './lint/lint.ts';
export { type Measured, measured } from './measured.ts';
export { type KnownPlaces, unknownPlaces } from './named-places.ts';
export type { Needs } from './needs.ts';
export { checkPolicy, parsePolicies } from './parse.ts';
export { type PatternRef, patternsOf } from './pattern.ts';
export { planResponse, type ResponsePlan, type Verdict } from './plan-response.ts';
export type {
  Action,
  AuditWish,
  Condition,
  Effect,
  Json,
  LimitScope,
  Metadata,
  Phase,
  Policy,
  PolicySource,
  Rule,
  Status,
  StreamMode,
} from './policy.ts';
export {
  type PolicyTestOptions,
  type PolicyTestReport,
  type PolicyTestResult,
  runPolicyTests,
  runPolicyTestsWith,
  type TellTest,
} from './policy-tests.ts';
export { type PolicyText, PolicyTexts } from './policy-texts.ts';
export { nearest, PolicyError, type PolicyProblem, problemText } from './problem.ts';
export { type CompileOptions, compile, type PolicySummary, type Program } from './program.ts';
export { canonicalFacts, recordFacts, withFact } from './record-facts.ts';
export { type Recorded, type RecordedDecision, type RecordedExchange, recordedBy } from './replay.ts';
export { tellRecorded } from './replay-verdicts.ts';
export { policySchema } from './schema.ts';
export { selectPolicies } from './select.ts';
export { type OutcomeChange, replayed, type SimulateOptions, type SimulationReport, simulate } from './simulate.ts';
export { type FactTree, notAsked, Unable } from './unable.ts';
export { withoutChanges } from './unchanged.ts';
export { type Modules, type Told, type VerdictOptions, wasmCalls, withVerdicts } from './verdicts.ts';
export type { RunWasm, WasmAnswer, WasmAsker, WasmCall } from './wasm-rule.ts';
export { yamlTooDeep } from './yaml-depth.ts';
