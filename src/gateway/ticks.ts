import { executionAsyncResource } from 'node:async_hooks';

/**
 * One of the objects `process.nextTick` makes, kept alive. V8 drops the shape of objects when a full collection meets none
 * of them; from then on the code that makes them takes the slow way, for good, and a call makes seven (4 us). A program
 * imports this first: the collections that do it come while modules are loaded.
 */
const ticks: object[] = [];

process.nextTick(() => {
  ticks.push(executionAsyncResource());
});
