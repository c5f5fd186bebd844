import type { Json } from './policy.ts';
import { isObject, type JsonObject } from './reader.ts';

const decisionAliases: Readonly<Record<string, string>> = {
  allow_with_warning: 'warn',
  dry_run: 'dryrun',
  require_approval: 'approve',
  rate_limit: 'throttle',
};

const metadataAliases: Readonly<Record<string, string>> = {
  createdAt: 'created_at',
  updatedAt: 'updated_at',
  createdBy: 'created_by',
};

/** A published decision's name as ours: `DENY` -> `deny`, `allow_with_warning` -> `warn`. */
export function decisionName(given: Json | undefined): Json | undefined {
  if (typeof given !== 'string') return given;
  const lower = given.toLowerCase();
  return Object.hasOwn(decisionAliases, lower) ? decisionAliases[lower] : lower;
}

/** `ACTIVE` -> `active`: enumerations were published in both cases. */
export function lowerCase(given: Json | undefined): Json | undefined {
  return typeof given === 'string' ? given.toLowerCase() : given;
}

/** Metadata with the published names of its keys rewritten. */
export function publishedMetadata(given: Json | undefined): Json | undefined {
  if (!isObject(given)) return given;
  return Object.fromEntries(Object.entries(given).map(([key, value]) => [metadataAliases[key] ?? key, value]));
}

/**
 * An action with the published `modifications: { llm.maxTokens: 8000 }` rewritten to obligations. What is not known
 * there stays, so that it is reported and not dropped.
 */
export function publishedAction(given: JsonObject): JsonObject {
  if (!isObject(given.modifications)) return given;
  const { modifications, ...action } = given;
  const rest: Record<string, Json> = {};
  const out: Record<string, Json> = { ...action };
  for (const [field, value] of Object.entries(modifications)) {
    if (field === 'llm.maxTokens' && out.cap_max_tokens === undefined) out.cap_max_tokens = value;
    else if (field === 'llm.model' && out.substitute_model === undefined) out.substitute_model = value;
    else if (field === 'llm.temperature') out.set = { ...(isObject(out.set) ? out.set : {}), temperature: value };
    else rest[field] = value;
  }
  return Object.keys(rest).length === 0 ? out : { ...out, modifications: rest };
}
