import { type FactTree, type Told, withVerdicts } from '../policy/index.ts';
import { richer } from './accept.ts';
import { factsFor, figuresFor } from './decide.ts';
import { requestFacts, unsettledFacts, wants } from './facts.ts';
import {
  type FoundIn,
  type MeasuredRails,
  measureRails,
  type Needs,
  type RailOutcome,
  unmeasured,
} from './measure-rails.ts';
import { budgetFacts, type MoneyOfModels, moneyOfModels, usageFacts } from './money-facts.ts';
import type { Read } from './read.ts';
import type { Walk } from './walk.ts';

/** A request measured: the facts its program needs, and no others. */
export interface Inspected extends Read {
  /** All facts but `llm.*`, which belong to a candidate. */
  readonly facts: FactTree;
  readonly wanted: ReadonlySet<string>;
  /** Budgets and usage of the candidates, where rules read them. */
  readonly ofModels: MoneyOfModels | undefined;
  readonly found: readonly FoundIn[];
  readonly railOutcomes: readonly RailOutcome[];
  /** UTF-16 units of text that rails looked at. */
  readonly scanned: number;
  /** Every module that was asked had said the same of the same inputs before. */
  readonly cached: boolean;
}

/** Runs just the rails and reads just the figures that the program's request rules need. */
export function inspect(walk: Walk, read: Read): Inspected | Promise<Inspected> {
  const needs = read.pinned.program.needs('request');
  const facts = requestFacts(read, needs.facts) as Record<string, unknown>;
  const measuring = needs.rails.size === 0 ? unmeasured : measureRails(walk, read, needs);
  if (measuring instanceof Promise) return informLater(walk, read, needs, facts, measuring);
  return inform(walk, read, needs, facts, measuring);
}

async function informLater(
  walk: Walk,
  read: Read,
  needs: Needs,
  facts: Record<string, unknown>,
  measuring: Promise<MeasuredRails>,
): Promise<Inspected> {
  return inform(walk, read, needs, facts, await measuring);
}

/** The facts with what was measured; a promise only where figures are to be read, or modules asked. */
function inform(
  walk: Walk,
  read: Read,
  needs: Needs,
  facts: Record<string, unknown>,
  { rails, found, railOutcomes, scanned }: MeasuredRails,
): Inspected | Promise<Inspected> {
  facts.rails = rails;
  const inspected = richer<Inspected>(read);
  inspected.facts = facts as FactTree;
  inspected.wanted = needs.facts;
  inspected.ofModels = undefined;
  inspected.found = found;
  inspected.railOutcomes = railOutcomes;
  inspected.scanned = scanned;
  inspected.cached = false;
  const { budget, usage } = wants(needs.facts);
  if (!budget && !usage && read.pinned.modules === undefined) return inspected;
  return figured(walk, inspected, facts, budget, usage);
}

async function figured(
  walk: Walk,
  inspected: Inspected,
  facts: Record<string, unknown>,
  budget: boolean,
  usage: boolean,
): Promise<Inspected> {
  const { wanted, candidates } = inspected;
  if (budget) facts.budget = await budgetFacts(walk, inspected, wanted);
  if (usage) facts.usage = await usageFacts(walk, inspected, wanted);
  const ofModels = budget || usage ? await moneyOfModels(walk, inspected, candidates, wanted) : undefined;
  const known = richer<Inspected>(inspected);
  known.ofModels = ofModels;
  const told = tellModules(walk, known);
  if (told === undefined) return known;
  const { facts: all, asked, hits } = told instanceof Promise ? await told : told;
  // What is of a candidate is found anew for each.
  const { budget: money, usage: used } = known.facts;
  known.facts = { ...all, llm: undefined, budget: money, usage: used };
  known.cached = asked > 0 && hits === asked;
  return known;
}

/** What modules of rules say. They are given the facts of the first candidate, and are not asked again for another. */
function tellModules(walk: Walk, inspected: Inspected): Told | Promise<Told> | undefined {
  const { pinned, candidates, identity } = inspected;
  const { modules, program } = pinned;
  const [first] = candidates;
  if (modules === undefined || first === undefined) return undefined;
  const facts = factsFor(inspected, figuresFor(walk, inspected, first, undefined));
  const tenant = identity.caller.organization.id;
  return withVerdicts(program, 'request', facts, { modules, tenant, unsettled: unsettledFacts(facts) });
}
