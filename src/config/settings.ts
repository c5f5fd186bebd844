import type { ProviderSettings } from '../providers/index.ts';
import type { TextFile } from './files.ts';
import type { GatewayDocument } from './schema.ts';

/** The configuration in force: one value, validated whole, frozen, with every default filled in. */
export interface Settings extends Omit<GatewayDocument, 'providers'> {
  /** The file it was read from, absolute. */
  readonly file: string;
  /** Providers that are on, in the order of the list and of their files' names. */
  readonly providers: readonly ProviderSettings[];
  /** Ids of providers that are defined and off (`enabled_if`). Models and pass-through entries do not mention them. */
  readonly providersOff: readonly string[];
  /** What models are called, whether they can be had now or their provider is off; patterns are among them. */
  readonly modelNames: {
    readonly entries: readonly string[];
    readonly providers: Readonly<Record<string, readonly { readonly name: string; readonly own?: string }[]>>;
  };
  /** The directory of policies, absolute. */
  readonly policyDirectory: string;
  /** The enabled policies' texts, for the policy room to parse. */
  readonly policyFiles: readonly TextFile[];
}
