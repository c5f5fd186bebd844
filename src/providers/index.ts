export { buildProvider, type ProviderEnvironment } from './build-provider.ts';
export { buildCatalog, type Catalog, type ModelInfo } from './catalog.ts';
export { type CircuitSettings, circuitBreaker } from './circuit.ts';
export { HeaderList, type HeaderPairs } from './header-list.ts';
export { replyHeaderList, replyHeaders, requestHeaders } from './headers.ts';
export { type AttemptOutcome, alwaysHealthy, type Health } from './health.ts';
export { type PriceOptions, price, pricesMedia, unknownFee, usdPerMtok, type WorstCase, worstUsage } from './price.ts';
export { type ModelPrice, priceBookVersion } from './price-book.ts';
export type { Candidate, Provider, ProviderModel, Quirks } from './provider.ts';
export { type MeasuredHealth, measured, type ProviderFigures } from './provider-figures.ts';
export { backoff_ms, fallsBack, type RetryPolicy, retryable } from './retry.ts';
export {
  type ModelsSettings,
  modelsSchema,
  type ProviderSettings,
  providerSchema,
  type RoutingSettings,
  routingSchema,
} from './settings.ts';
export { ProviderSettingsError } from './settings-error.ts';
export { openTokenCounter, type TokenCounter } from './tokens/counter.ts';
export type { EncodingName } from './tokens/encoding.ts';
export { type ImagePart, type ImageRule, imageTokens, imageTokensMax } from './tokens/image-tokens.ts';
export { Abort, type UpstreamCall, type UpstreamReply, type UpstreamSink } from './upstream.ts';
