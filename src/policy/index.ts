export { decide } from './decide.ts';
export type { Decision, Doubt, Modifications, Obligation, Redaction, Shadowed } from './decision.ts';
export { type Evaluated, evaluateExpression } from './eval.ts';
export { type Clock, type EvaluateResponse, evaluateContext } from './evaluate.ts';
export { type ExplainedNode, type ExplainedRule, type Explanation, explain } from './explain.ts';
export { type Fact, type FactType, factNames, factOf } from './facts.ts';
export { fmt } from './fmt.ts';
export { glob } from './glob.ts';
export {
  type EngineOptions,
  type EvaluateRequest,
  PolicyEngine,
  PolicyParser,
} from './library.ts';
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
  Metadata,
  Phase,
  Policy,
  PolicySource,
  Rule,
  Status,
  StreamMode,
} from './policy.ts';
export { type PolicyTestReport, type PolicyTestResult, runPolicyTests } from './policy-tests.ts';
export { type PolicyText, PolicyTexts } from './policy-texts.ts';
export { PolicyError, type PolicyProblem, problemText } from './problem.ts';
export { type CompileOptions, compile, type PolicySummary, type Program } from './program.ts';
export { canonicalFacts, recordFacts, withFact } from './record-facts.ts';
export { policySchema } from './schema.ts';
export { selectPolicies } from './select.ts';
export { type FactTree, Unable } from './unable.ts';
export { withoutChanges } from './unchanged.ts';
export { yamlTooDeep } from './yaml-depth.ts';
