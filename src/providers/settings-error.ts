/** Settings that fit the schema and still cannot be. `path` points into the settings, so a loader can say where. */
export class ProviderSettingsError extends Error {
  override readonly name = 'ProviderSettingsError';
  /** The provider's id, or undefined where the `models` section is at fault. */
  readonly provider: string | undefined;
  readonly path: readonly (string | number)[];

  constructor(provider: string | undefined, path: readonly (string | number)[], message: string) {
    super(message);
    this.provider = provider;
    this.path = path;
  }
}
