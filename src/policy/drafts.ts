import type { Declarations } from './parse-params.ts';
import type { Policy } from './policy.ts';
import type { JsonObject, Reader } from './reader.ts';

/** A policy that extends another: what it says itself, until the other one is known. */
export interface Draft {
  readonly value: JsonObject;
  /** Knows the places of the document. */
  readonly reader: Reader;
}

const drafts = new WeakMap<Policy, Draft>();
const templates = new WeakMap<Policy, JsonObject>();
const declarations = new WeakMap<Policy, Declarations>();

export function rememberDraft(policy: Policy, draft: Draft): void {
  drafts.set(policy, draft);
}

/** What a policy that is not resolved yet says; undefined for one that is whole. */
export function draftOf(policy: Policy): Draft | undefined {
  return drafts.get(policy);
}

/** Remembers how a policy declares its parameters: whoever extends it may give values of the same types alone. */
export function rememberDeclared(policy: Policy, declared: Declarations): void {
  declarations.set(policy, declared);
}

/** Remembers the templates of a policy, as they were written: whoever extends it may make rules of them. */
export function rememberTemplates(policy: Policy, written: JsonObject): void {
  templates.set(policy, written);
}

export function templatesOf(policy: Policy): JsonObject {
  return templates.get(policy) ?? {};
}

export function declaredBy(policy: Policy): Declarations {
  return declarations.get(policy) ?? new Map<string, never>();
}
