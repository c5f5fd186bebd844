import { factOf } from './facts.ts';
import { reader } from './leaf.ts';
import type { Program } from './program.ts';
import { withFact } from './record-facts.ts';
import { isUnrecorded, type Recorded, type RecordedExchange, replayedFacts } from './replay.ts';
import type { FactTree } from './unable.ts';
import { type Modules, wasmCalls, withVerdicts } from './verdicts.ts';

/**
 * The facts of recorded exchanges with what a program's modules say of them, for each where a module's verdict is not
 * recorded and all of its inputs are; a verdict that is recorded stands. Exchanges that need none are left out.
 */
export async function tellRecorded(
  program: Program,
  records: readonly RecordedExchange[],
  recorded: Recorded,
  modules: Modules,
): Promise<ReadonlyMap<RecordedExchange, FactTree>> {
  const told = new Map<RecordedExchange, FactTree>();
  const calls = wasmCalls(program, 'request');
  if (calls.length === 0) return told;
  for (const record of records) {
    if (record.kind !== undefined || record.decision.request === undefined) continue;
    const facts = replayedFacts(program, record, recorded);
    const missing = (name: string): boolean => {
      const fact = factOf(name);
      return fact !== undefined && isUnrecorded(reader(fact)(facts));
    };
    const open = calls.filter(({ fact, inputs }) => missing(fact) && !inputs.some(missing));
    if (open.length === 0) continue;
    const blank = open.reduce((known, { fact }) => withFact(known, fact, undefined), facts);
    const tenant = record.caller?.organization ?? '';
    told.set(record, (await withVerdicts(program, 'request', blank, { modules, tenant, keep: true })).facts);
  }
  return told;
}
