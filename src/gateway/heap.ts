import { setFlagsFromString } from 'node:v8';

/**
 * Lets the heap grow by two fifths between two full collections instead of V8's up to fourfold: a gateway's calls leave
 * garbage, and what lives is small (about 45 MB). Measured at load: 263 MB resident become 170, for 5 % more CPU time;
 * at a fifth it was 160 MB and 20 %. Collections of young objects take 2 ms: one thread does them for less than it costs
 * to wake four. Once a process, before the first call.
 */
export function tuneHeap(): void {
  setFlagsFromString('--heap-growing-percent=40');
  setFlagsFromString('--no-parallel-scavenge');
}
