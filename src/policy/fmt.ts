import { stringify } from 'yaml';
import { checkPolicy } from './parse.ts';
import type { Policy } from './policy.ts';

const order = [
  ...['metadata', 'id', 'name', 'version', 'namespace', 'priority', 'tags', 'owner', 'description', 'change_summary'],
  ...[
    'created_at',
    'updated_at',
    'created_by',
    'status',
    'on_error',
    'applies_to',
    'params',
    'rules',
    'enabled',
    'on',
    'stream',
  ],
  ...[
    'condition',
    'when',
    'wasm',
    'module',
    'sha256',
    'inputs',
    'deadline_ms',
    'function',
    'args',
    'operator',
    'field',
    'value',
    'conditions',
    'action',
    'decision',
    'reason',
    'code',
    'final',
  ],
  ...[
    'substitute_model',
    'cap_max_tokens',
    'affordable_tokens_min',
    'redact',
    'rails',
    'patterns',
    'literals',
    'with',
    'set',
    'remove',
    'add_tags',
  ],
  ...['audit', 'content', 'severity', 'alert', 'tests'],
];
const rank = new Map(order.map((key, i) => [key, i]));
// Under these the keys are the author's, and their order may mean something to people.
const verbatim = new Set(['params', 'set', 'applies_to', 'metadata']);

/** A policy as canonical YAML: one order of keys, published spellings rewritten. It decides as it did before. */
export function fmt(policy: Policy): string {
  const { source: _source, ...content } = checkPolicy(policy);
  return stringify(ordered(content, true), { lineWidth: 0, aliasDuplicateObjects: false });
}

function ordered(value: unknown, sort: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => ordered(item, sort));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  if (sort) entries.sort(([a], [b]) => (rank.get(a) ?? order.length) - (rank.get(b) ?? order.length));
  const top = 'rules' in value && 'metadata' in value;
  return Object.fromEntries(
    entries.map(([key, member]) => [key, ordered(member, sort && (!verbatim.has(key) || (top && key === 'metadata')))]),
  );
}
