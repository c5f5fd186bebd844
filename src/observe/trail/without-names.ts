import type { AuditRecord, DecisionSummary, RecordCaller } from '../record.ts';

/** What names a person, and decisions that are frozen and known to name none of it: most are the same for many calls. */
interface Names {
  /** The longest first: an address may begin with the name. */
  readonly all: readonly string[];
  readonly absent: WeakSet<DecisionSummary>;
}

/** Of callers that are frozen. */
const knownNames = new WeakMap<RecordCaller, Names>();

/** A reason quotes a fact up to so many characters, and tells a space for what cannot be printed. */
const quoted_characters_max = 200;
const unprintable = /[\p{Cc}\p{Cf}\u2028\u2029]+/gu;

/** A value in the words in which a reason may quote it. */
function quotedOf(value: unknown): readonly string[] {
  if (Array.isArray(value)) return [...quotedOf(value.map(String).join(', ')), ...value.flatMap(quotedOf)];
  if (typeof value !== 'string' && typeof value !== 'number') return [];
  const text = String(value);
  return [text, text.replace(unprintable, ' ').slice(0, quoted_characters_max)];
}

function namesIn(values: readonly unknown[]): Names {
  const told = [...new Set(values.flatMap(quotedOf))].filter((name) => name.length > 2);
  return { all: told.sort((a, b) => b.length - a.length), absent: new WeakSet<DecisionSummary>() };
}

function namesOf(caller: RecordCaller): Names {
  const known = knownNames.get(caller);
  if (known !== undefined) return known;
  const names = namesIn([caller.user, caller.email, caller.ip]);
  if (Object.isFrozen(caller)) knownNames.set(caller, names);
  return names;
}

/** Those of a caller, and what else is known of the person: most of that is the caller's name again. */
function allNames(caller: RecordCaller, facts: AuditRecord['facts'] | undefined): Names {
  const names = namesOf(caller);
  if (facts === undefined) return names;
  const more = Object.values(facts).filter((value) => typeof value !== 'string' || !names.all.includes(value));
  return more.length === 0 ? names : namesIn([...names.all, ...more]);
}

function cleaned(decision: DecisionSummary | undefined, names: Names): DecisionSummary | undefined {
  return decision === undefined || names.absent.has(decision) ? decision : searched(decision, names);
}

function searched(decision: DecisionSummary, { all, absent }: Names): DecisionSummary {
  const named = (text: string): boolean => all.some((name) => text.includes(name));
  if (!decision.reasons.some(named) && !decision.warnings.some(named)) {
    if (Object.isFrozen(decision)) absent.add(decision);
    return decision;
  }
  const clean = (texts: readonly string[]): readonly string[] =>
    texts.map((text) => all.reduce((rest, name) => rest.replaceAll(name, '[person]'), text));
  return { ...decision, reasons: clean(decision.reasons), warnings: clean(decision.warnings) };
}

/**
 * The decisions without what names a person: reasons may quote facts (`${user.email}`), the caller's names and `facts` that
 * are personal. The same object where nothing does.
 */
export function withoutNames(
  made: AuditRecord['decision'],
  caller: RecordCaller,
  facts: AuditRecord['facts'] | undefined,
): AuditRecord['decision'] {
  const names = allNames(caller, facts);
  const request = cleaned(made.request, names);
  const response = cleaned(made.response, names);
  const settle = cleaned(made.settle, names);
  const same = request === made.request && response === made.response && settle === made.settle;
  return same ? made : { request, response, settle };
}
