import type { Fact } from './facts.ts';

const shape = /^wasm:[A-Za-z0-9][\w.-]*(?:\/[A-Za-z0-9][\w.-]*){1,2}(:reason)?$/;

/** The fact that holds a module's verdict on a rule: `wasm:policy/rule`, with the namespace before it unless it is the default. */
export function wasmFact(namespace: string, policy: string, rule: string): Fact {
  return factNamed(`wasm:${namespace === 'default' ? '' : `${namespace}/`}${policy}/${rule}`, false);
}

/** A verdict, or the reason beside it, by its name; undefined for any other. */
export function wasmFactOf(name: string): Fact | undefined {
  const found = name.startsWith('wasm:') ? shape.exec(name) : null;
  return found === null ? undefined : factNamed(name, found[1] !== undefined);
}

function factNamed(name: string, reason: boolean): Fact {
  return { name, type: reason ? 'string' : 'boolean', text: false, ofReply: false, ofRequest: false, open: true };
}
