import { script } from './line.ts';
import { amend } from './lua/amend.ts';
import * as epoch from './lua/epoch.ts';
import * as upkeep from './lua/upkeep.ts';
import * as verbs from './lua/verbs.ts';

/** Every script, with its digest. */
export const scripts = {
  reserve: script(verbs.reserve),
  amend: script(amend),
  settle: script(verbs.settle),
  release: script(verbs.release),
  read: script(verbs.read),
  reap: script(upkeep.reap),
  fold: script(upkeep.fold),
  tidy: script(upkeep.tidy),
  holds: script(upkeep.holds),
  sums: script(upkeep.sums),
  repair: script(upkeep.repair),
  overrides: script(upkeep.standing),
  reset: script(upkeep.reset),
  recover: script(upkeep.recover),
  meet: script(epoch.meet),
  reassert: script(epoch.reassert),
  tell: script(epoch.tell),
  done: script(epoch.done),
  leave: script(epoch.leave),
} as const;
