import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes of this thread's heap that something still holds: what is merely not collected yet is collected first. */
export function heapInUse(): number {
  collect();
  return process.memoryUsage().heapUsed;
}
