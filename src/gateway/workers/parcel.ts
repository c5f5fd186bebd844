import type { Settings } from '../../config.ts';
import { Secret } from '../../exchange/index.ts';

/** Settings on their way to another process of this gateway, over a pipe that nobody else reads. */
export type Parcel = string;

const mark = '\u0000secret';

/** Secrets are revealed here and nowhere else on their way: a worker could not call a provider without them. */
export function packSettings(settings: Settings): Parcel {
  return JSON.stringify(settings, function (this: Record<string, unknown>, key, value: unknown) {
    const original = this[key];
    return original instanceof Secret ? { [mark]: original.reveal() } : value;
  });
}

/** The same settings again, frozen all through, their secrets hidden. */
export function unpackSettings(parcel: Parcel): Settings {
  return JSON.parse(parcel, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null) return value;
    const secret = (value as Record<string, unknown>)[mark];
    return typeof secret === 'string' ? new Secret(secret) : Object.freeze(value);
  }) as Settings;
}
