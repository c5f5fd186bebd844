import type { Cluster } from 'ioredis';

/** A Cluster's primaries, and which node each run of slots is at, as one text. */
export function slotMapOf(cluster: Cluster): string {
  const primaries = cluster.nodes('master').map(({ options }) => `${options.host}:${options.port}`);
  let text = '';
  let last = '';
  for (const [slot, keys] of cluster.slots.entries()) {
    const primary = keys?.[0] ?? '';
    if (primary !== last) text += `${slot} ${primary};`;
    last = primary;
  }
  return JSON.stringify([primaries.sort(), text]);
}
