import type { Operation } from '../operation.ts';
import { dashboards } from './dashboards.ts';
import { evaluating } from './evaluating.ts';
import { publishing } from './publishing.ts';
import { reading } from './reading.ts';

/** Everything the decision point does over HTTP. */
export const operations: readonly Operation[] = [...evaluating, ...reading, ...dashboards, ...publishing];
