import type { Caller } from '../exchange/index.ts';
import type { ScopeKind } from '../stores/index.ts';

/** The caller's id in a scope; undefined where it has none (a key without a user). */
export function scopeId(caller: Caller, kind: ScopeKind): string | undefined {
  switch (kind) {
    case 'organization':
      return caller.organization.id;
    case 'team':
      return caller.team.id;
    case 'project':
      return caller.project?.id;
    case 'user':
      return caller.user?.id;
    case 'key':
      return caller.key.id;
    case 'model':
    case 'tag':
      return undefined;
  }
}
