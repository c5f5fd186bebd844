import { type Clock, PolicyEngine as Engine, type EngineOptions } from './policy/index.ts';

const clock: Clock = { now: () => Date.now(), elapsed: () => performance.now() };

/** The policy engine as a library: add policies, evaluate facts. Importing it does nothing but define it. */
export class PolicyEngine extends Engine {
  constructor(options: EngineOptions = {}) {
    super(clock, options);
  }
}

export {
  type CompileOptions,
  compile,
  type Decision,
  decide,
  type EngineOptions,
  type EvaluateRequest,
  type EvaluateResponse,
  type Explanation,
  explain,
  type FactTree,
  fmt,
  type Obligation,
  type Phase,
  type Policy,
  PolicyError,
  PolicyParser,
  type PolicyProblem,
  type Program,
  parsePolicies,
  planResponse,
  policySchema,
  type ResponsePlan,
  runPolicyTests,
  selectPolicies,
  Unable,
} from './policy/index.ts';
