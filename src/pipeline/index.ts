export { handle, refuse } from './handle.ts';
export { Matchers } from './matchers.ts';
export { ownModels } from './own-models.ts';
export { ownUsage } from './own-usage.ts';
export type { Arrival, Outlet, Pinned, Walk, WalkLimits } from './walk.ts';
