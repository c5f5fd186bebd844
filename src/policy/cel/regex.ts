import type { RE2JS } from 're2js';
import { expression, expressionMisfit } from '../operators.ts';
import { type CelError, failed } from './values.ts';

/** Patterns that are known only when an expression runs: compiled once, and forgotten when there are many. */
const known = new Map<string, RE2JS | CelError>();
const knownMax = 100;

/** `matches`: whether a pattern of RE2 syntax is found anywhere in a text. Linear in both. */
export function matches(text: string, pattern: string): boolean | CelError {
  const compiled = known.get(pattern) ?? remember(pattern);
  return 'test' in compiled ? compiled.test(text) : compiled;
}

function remember(pattern: string): RE2JS | CelError {
  if (known.size >= knownMax) known.clear();
  const fault = pattern === '' ? undefined : expressionMisfit(pattern);
  const compiled = fault === undefined ? expression(pattern) : failed(fault);
  known.set(pattern, compiled);
  return compiled;
}
