import { script } from './line.ts';
import * as epoch from './lua/epoch.ts';
import * as floors from './lua/floors.ts';
import * as slices from './lua/slices.ts';
import { turn } from './lua/turn.ts';
import * as upkeep from './lua/upkeep.ts';

/** Every script, with its digest. */
export const scripts = {
  turn: script(turn),
  fold: script(upkeep.fold),
  tidy: script(upkeep.tidy),
  holds: script(upkeep.listed),
  sums: script(upkeep.sums),
  repair: script(upkeep.repair),
  overrides: script(upkeep.standing),
  meet: script(epoch.meet),
  tell: script(floors.tell),
  zeroed: script(floors.zeroed),
  done: script(epoch.done),
  leave: script(epoch.leave),
  trade: script(slices.trade),
  reclaim: script(slices.reclaim),
  beat: script(slices.beat),
} as const;
