import type { EncodedRequest, Format } from '../exchange/index.ts';
import type { ModelPrice } from './price-book.ts';
import type { EncodingName } from './tokens/encoding.ts';
import type { ImageRule } from './tokens/image-tokens.ts';
import type { UpstreamCall, UpstreamReply } from './upstream.ts';

/** Where a provider differs from its format. A closed list: a new one needs a case that fails without it. */
export interface Quirks {
  /** Top-level fields the API refuses. */
  readonly dropFields: readonly string[];
  /** Fields the API calls otherwise: ours to theirs. */
  readonly renameFields: Readonly<Record<string, string>>;
  /** Whether usage in a stream must be asked for, comes always, or never comes (asking is refused). */
  readonly streamUsage: 'ask' | 'always' | 'never';
}

/** What a provider says of one of its models. */
export interface ProviderModel {
  /** What clients call it; a pattern with `*` stands for every name that fits. */
  readonly name: string;
  /** What the provider calls it, where that differs (a deployment). */
  readonly providerName?: string;
  readonly price?: ModelPrice;
  readonly contextTokens?: number;
  readonly outputTokensMax?: number;
  /** Calls of a hosted tool to hold for where a request does not say. */
  readonly hostedCallsMax?: number;
  /** Input to hold for that does not stand in a request; default one context. */
  readonly hostedInputTokensMax?: number;
  /** Produces output it does not show (hidden reasoning is billed as output). */
  readonly reasoning?: boolean;
  /** Counts its tokens exactly; missing where none is public. */
  readonly tokenizer?: EncodingName;
  /** How images are counted; missing where nobody wrote it down. */
  readonly imageTokens?: ImageRule;
  readonly modalities?: readonly string[];
}

/** An address that speaks a format. */
export interface Provider {
  readonly id: string;
  readonly format: Format;
  readonly region?: string;
  readonly quirks: Quirks;
  readonly models: readonly ProviderModel[];
  /** Path and query below the provider's origin for an encoded request. */
  requestPath(encoded: Pick<EncodedRequest, 'path'>, candidate: Pick<Candidate, 'model'>): string;
  /** A path of the provider's own API, as it stands below `base_url`, for calls that nobody reads. */
  ownPath(path: string): string;
  /**
   * Sends one call; resolves at the response head, whatever its status. Rejects with a Failure:
   * `upstream_unreachable` (DNS, refused, TLS, closed: nothing was sent), `upstream_timeout` (`extra.phase` says which:
   * connect, first_byte, idle, total), `upstream_error` (broken off after sending, a redirect, an unknown encoding),
   * or the reason it was aborted with. Redirects are not followed. `invalid_request` where the path's query sets what
   * the provider's credentials set.
   */
  send(call: UpstreamCall): Promise<UpstreamReply>;
  /** Takes no new calls and resolves when those under way are over. */
  close(): Promise<void>;
}

/** A provider and model we may try. */
export interface Candidate {
  readonly provider: Provider;
  /** The provider's name for the model. */
  readonly model: string;
  /** Missing: unknown. Zero is a price. */
  readonly price?: ModelPrice;
  readonly contextTokens?: number;
  readonly outputTokensMax?: number;
  readonly hostedCallsMax?: number;
  readonly hostedInputTokensMax?: number;
  readonly reasoning?: boolean;
  readonly tokenizer?: EncodingName;
  /** How images are counted; missing where nobody wrote it down. */
  readonly imageTokens?: ImageRule;
}
