import { Secret } from '../exchange/index.ts';
import { ProviderSettingsError } from './settings-error.ts';

/** Where `${NAME}` is read from; `process.env` fits. */
export type ProviderEnvironment = Readonly<Record<string, string | undefined>>;

const reference = /\$\{([^}]*)\}/g;
const named = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/** The text with `${NAME}` and `${NAME:-default}` replaced, each once. An unset name without a default is an error. */
export function expand(
  text: string,
  environment: ProviderEnvironment,
  at: { readonly provider: string; readonly path: readonly (string | number)[] },
): string {
  return text.replace(reference, (whole, inside: string) => {
    const [, name, fallback] = named.exec(inside) ?? [];
    if (name === undefined) {
      throw new ProviderSettingsError(at.provider, at.path, `${whole} is not a reference to the environment.`);
    }
    // As in a shell, `:-` also stands in for a variable that is set and empty.
    const value = environment[name];
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value;
    if (value === undefined) {
      throw new ProviderSettingsError(at.provider, at.path, `The environment has no ${name}.`);
    }
    return value;
  });
}

/** A key as a Secret. One that a loader has resolved already is taken as it is: expanding it again would read its value. */
export function secretFrom(
  key: Secret | string | undefined,
  environment: ProviderEnvironment,
  at: { readonly provider: string; readonly path: readonly (string | number)[] },
): Secret {
  if (key instanceof Secret) return key;
  return new Secret(expand(key ?? '', environment, at));
}
