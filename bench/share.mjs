// A share of a core for a process of its own, by the kernel's CPU controller: what it does with it, it does as on a machine of its
// own that is slower by so much, but for caches that it shares. Needs Linux, root and a cgroup file system that can be written to.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Short beside a call's time at load: a process that had its share waits a few milliseconds, not a tenth of a second. */
const period_us = 10_000;

const unified = '/sys/fs/cgroup';
const separate = '/sys/fs/cgroup/cpu';

/** Where a group with a quota can be made, and how it is written there; undefined where none can. */
function place() {
  if (existsSync(join(separate, 'cpu.cfs_quota_us'))) {
    return {
      parent: separate,
      limit: (group, quota_us) => {
        writeFileSync(join(group, 'cpu.cfs_period_us'), String(period_us));
        writeFileSync(join(group, 'cpu.cfs_quota_us'), String(quota_us));
      },
    };
  }
  const controllers = join(unified, 'cgroup.subtree_control');
  if (!existsSync(controllers) || !readFileSync(controllers, 'utf8').split(/\s/).includes('cpu')) return undefined;
  return {
    parent: unified,
    limit: (group, quota_us) => writeFileSync(join(group, 'cpu.max'), `${quota_us} ${period_us}`),
  };
}

/**
 * Gives each of these processes, all threads of it, this share of a core and no more. Returns what takes the groups away once
 * they have ended; undefined where the machine does not let us.
 */
export function giveShares(pids, share) {
  const where = place();
  if (where === undefined) return undefined;
  const groups = [];
  const take = () => {
    for (const group of groups.splice(0)) rmdirSync(group);
  };
  try {
    for (const pid of pids) {
      const group = join(where.parent, `llm-policy-bench-${pid}`);
      mkdirSync(group);
      groups.push(group);
      where.limit(group, Math.round(share * period_us));
      writeFileSync(join(group, 'cgroup.procs'), String(pid));
    }
  } catch {
    try {
      take();
    } catch {
      // A group with a process in it stays until that has ended.
    }
    return undefined;
  }
  return take;
}
