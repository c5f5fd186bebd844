/** The configuration: each room's schema joined into one validated, frozen value. Only entrances import it. */
export { type LoadedConfig, loadConfig } from './config/load.ts';
export { loadPdpConfig, type PdpSettings } from './config/pdp.ts';
export { printable } from './config/print.ts';
export { type Problem, problemText } from './config/problem.ts';
export { publishedSchema, publishedSchemaText } from './config/publish.ts';
export type { Loaded, LoadOptions } from './config/read-document.ts';
export type { Settings } from './config/settings.ts';
export { ensureStartKeys, type StartKeys } from './config/start-keys.ts';
export { type ConfigWatch, type Reloaded, type WatchOptions, watchConfig } from './config/watch.ts';
