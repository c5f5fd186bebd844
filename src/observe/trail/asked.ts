import type { Intent } from '../record.ts';

/** Who called what, as it was written: all that the beginnings of a caller's calls mostly have in common. */
export interface Asked
  extends Pick<Intent, 'route' | 'format' | 'model_asked' | 'model_used' | 'provider' | 'region' | 'streamed'> {
  readonly bytes: Uint8Array;
}

/** Of callers that are frozen; of each the few ways of asking that come again. */
const asked = new WeakMap<Intent['caller'], readonly Asked[]>();
const asked_max = 8;
const asked_bytes_max = 1024;
const noneAsked: readonly Asked[] = [];

function sameAsked(one: Asked, open: Intent): boolean {
  return (
    one.model_asked === open.model_asked &&
    one.model_used === open.model_used &&
    one.route === open.route &&
    one.format === open.format &&
    one.provider === open.provider &&
    one.region === open.region &&
    one.streamed === open.streamed
  );
}

/** Who called what, where it was written in the same words before; the same object for as long as it is kept. */
export function askedBefore(open: Intent): Asked | undefined {
  for (const one of asked.get(open.caller) ?? noneAsked) if (sameAsked(one, open)) return one;
  return undefined;
}

/** Keeps how it was written, for as long as its caller's object lives; not what is long, or of a caller that may change. */
export function keepAsked(open: Intent, written: Uint8Array): void {
  if (written.length > asked_bytes_max || !Object.isFrozen(open.caller)) return;
  const { route, format, model_used, provider, region, streamed } = open;
  // A copy: the caller's own word may be a part of a whole request. One that is not the same (half a character) is not kept.
  const model_asked = open.model_asked && Buffer.from(open.model_asked).toString();
  if (model_asked !== open.model_asked) return;
  const known = asked.get(open.caller) ?? noneAsked;
  const one = { route, format, model_asked, model_used, provider, region, streamed, bytes: new Uint8Array(written) };
  asked.set(open.caller, known.length < asked_max ? [...known, one] : [one]);
}
