import { LRUCache } from 'lru-cache';
import type { ScopeKind } from '../stores/index.ts';
import { joined, type Limits, limitsOf, noLimits } from './limits.ts';
import { modelRule } from './models.ts';
import { withinTeam } from './scope-name.ts';
import type { MatchSettings } from './settings.ts';

/** The limits of a model or a tag: of every entry that fits it. */
export type MatchedLimits = (names: readonly string[]) => Limits;

/** Answers kept for each owner: names come from clients, so their number has no end of its own. */
const kept = 1000;

interface Entry {
  readonly fits: (name: string) => boolean;
  readonly limits: Limits;
}

/**
 * Compiles entries of an organisation, or of a team where one is given. An entry has one counter for everything it fits:
 * its scope is the pattern, within the team where it is a team's.
 */
export function matchedLimits(
  kind: ScopeKind & ('model' | 'tag'),
  settings: readonly MatchSettings[],
  team?: string,
): MatchedLimits {
  if (settings.length === 0) return () => noLimits;
  const entries = settings.map(({ match, ...limited }): Entry => {
    const id = team === undefined ? match : withinTeam(team, match);
    return { fits: modelRule([match]), limits: limitsOf({ kind, id }, limited) };
  });
  const found = new LRUCache<string, Limits>({ max: kept });
  return (names) => {
    const key = JSON.stringify(names);
    let limits = found.get(key);
    if (limits === undefined) {
      limits = joined(...entries.filter(({ fits }) => names.some(fits)).map((entry) => entry.limits));
      found.set(key, limits);
    }
    return limits;
  };
}
