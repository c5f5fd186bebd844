import { stringify } from 'yaml';
import { checkPolicy } from './parse.ts';
import type { Policy } from './policy.ts';
import { writtenOf } from './written.ts';

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
    'extends',
    'include',
    'policy',
    'priority_offset',
    'templates',
    'rules',
    'template',
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
    'limit',
    'requests',
    'tokens',
    'concurrent',
    'per',
    'window',
    'queue_ms',
    'role',
    'ttl_seconds',
    'substitute_model',
    'route_to',
    'prepend_system',
    'retry',
    'max',
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
const verbatim = new Set(['params', 'set', 'applies_to', 'metadata', 'templates', 'with']);

/** A policy as canonical YAML: one order of keys, published spellings rewritten. It decides as it did before. */
export function fmt(policy: Policy): string {
  const checked = checkPolicy(policy);
  const { source: _source, ...content }: Partial<Policy> = writtenOf(checked) ?? checked;
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
