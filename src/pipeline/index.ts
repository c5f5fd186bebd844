export { clientGone } from './accept.ts';
export { handle, refuse } from './handle.ts';
export { Matchers } from './matchers.ts';
export { ownModels } from './own-models.ts';
export { ownUsage } from './own-usage.ts';
export type { PassReply } from './pass-end.ts';
export { passEntries, passPrefix } from './pass-route.ts';
export { enter, passRoute } from './passthrough.ts';
export type { Arrival, Outlet, Pinned, Walk, WalkLimits } from './walk.ts';
