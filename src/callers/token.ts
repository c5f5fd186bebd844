import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { Failure } from '../exchange/index.ts';
import { isTag, tagsMax } from './assertion.ts';
import { refused } from './credential.ts';
import type { Identity } from './identity.ts';
import { type JwtSettings, scopeNames } from './settings.ts';
import type { Team } from './team.ts';

/** Whether a credential has the outer form of a signed token. */
export function looksLikeToken(credential: string): boolean {
  return /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/.test(credential);
}

/** Tells whose a token is. */
export interface TokenReader {
  /** `fingerprint` is the keyed hash of the whole token: what was verified lately is not verified again. */
  identify(token: string, fingerprint: string): Identity | Promise<Identity>;
}

/** How long a verified token is believed before its signing key is looked at again. */
const believed_ms = 60_000;
const tokensKept = 10_000;

/** Finds the team a token names; undefined where there is none. */
export type TeamFinder = (team: string, organization: string | undefined) => Team | undefined;

/**
 * Verifies tokens against the issuer's published keys: asymmetric algorithms of the list alone, issuer, audience and
 * expiry required. The keys are fetched on demand, kept, and fetched again when a token names one that is not among them
 * (at most every 30 s); redirects are not followed.
 */
export function tokenReader(settings: JwtSettings, findTeam: TeamFinder, clock: () => number): TokenReader {
  const keys = createRemoteJWKSet(new URL(settings.jwks_url), { timeoutDuration: 5000, cacheMaxAge: 600_000 });
  const seen = new LRUCache<string, { readonly identity: Identity; readonly until_ms: number }>({ max: tokensKept });
  const verify = async (token: string, fingerprint: string): Promise<Identity> => {
    const now_ms = clock();
    const { payload } = await jwtVerify(token, keys, {
      issuer: settings.issuer,
      audience: settings.audience,
      algorithms: settings.algorithms,
      clockTolerance: settings.clock_tolerance_seconds,
      requiredClaims: ['exp'],
      currentDate: new Date(now_ms),
    }).catch((error: unknown) => {
      throw told(error);
    });
    const identity = identityOf(payload, settings, findTeam);
    const expires_ms = ((payload.exp ?? 0) + settings.clock_tolerance_seconds) * 1000;
    seen.set(fingerprint, { identity, until_ms: Math.min(expires_ms, now_ms + believed_ms) });
    return identity;
  };
  return {
    identify(token, fingerprint) {
      const known = seen.get(fingerprint);
      return known !== undefined && clock() < known.until_ms ? known.identity : verify(token, fingerprint);
    },
  };
}

/** A token that does not hold is refused; an issuer that cannot be asked is our trouble, not the caller's. */
function told(error: unknown): Failure {
  const unreachable =
    !(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout || error.code === 'ERR_JOSE_GENERIC';
  if (!unreachable) return refused(error);
  const message = 'The keys that tokens are signed with could not be fetched; try again.';
  return new Failure('internal_error', message, { status: 503, cause: error });
}

function identityOf(payload: JWTPayload, settings: JwtSettings, findTeam: TeamFinder): Identity {
  const { claims } = settings;
  const user = textClaim(payload, claims.user);
  const team = textClaim(payload, claims.team);
  const organization = claims.organization === undefined ? undefined : textClaim(payload, claims.organization);
  if (user === undefined || team === undefined) throw refused('the token names no user or no team');
  if (claims.organization !== undefined && organization === undefined) throw refused('the token names no organization');
  const project = claims.project === undefined ? undefined : nameClaim(payload, claims.project);
  const subject = nameClaim(payload, 'sub');
  const tags = claims.tags === undefined ? [] : wordsClaim(payload, claims.tags).filter(isTag);
  const found = findTeam(team, organization);
  if (found === undefined) throw refused('the token names an unknown team');
  const email = textClaim(payload, claims.email);
  const region = claims.region === undefined ? undefined : textClaim(payload, claims.region);
  const granted = new Set(wordsClaim(payload, claims.scopes));
  return found.identity({
    kind: 'jwt',
    key: {
      id: subject ?? user,
      scopes: scopeNames.filter((scope) => scope === 'policy:evaluate' || granted.has(scope)),
      expiresAt: new Date((payload.exp ?? 0) * 1000).toISOString(),
      mayAssert: false,
    },
    user: {
      id: user,
      ...(email === undefined ? {} : { email }),
      ...(region === undefined ? {} : { region }),
      roles: wordsClaim(payload, claims.roles),
      permissions: wordsClaim(payload, 'permissions'),
    },
    ...(project === undefined ? {} : { project: { id: project } }),
    tags: [...new Set(tags)].slice(0, tagsMax),
    budgets: [],
    limits: {},
  });
}

/** A claim by its own name, or else by a dotted path into objects. */
function claim(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name];
  let value: unknown = payload;
  for (const step of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}

/** A claim that limits go by: a token need not have it, but one that is no name must not pass for none. */
function nameClaim(payload: JWTPayload, name: string): string | undefined {
  const value = claim(payload, name);
  if (value === undefined || value === null || value === '') return undefined;
  const text = textClaim(payload, name);
  if (text === undefined) throw refused(`the token's ${name} is no name`);
  return text;
}

function textClaim(payload: JWTPayload, name: string): string | undefined {
  const value = claim(payload, name);
  if (typeof value !== 'string' || value === '' || value.length > 256) return undefined;
  // A lone half of a character has no bytes of its own: two names that differ there would share their counters.
  return /\p{Surrogate}/u.test(value) ? undefined : value;
}

function wordsClaim(payload: JWTPayload, name: string): readonly string[] {
  const value = claim(payload, name);
  if (typeof value === 'string') return value.split(' ').filter((word) => word !== '');
  return Array.isArray(value) ? value.filter((word): word is string => typeof word === 'string') : [];
}
