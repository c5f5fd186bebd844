import { amending } from './amend.ts';
import { answering } from './answers.ts';
import { counters } from './counters.ts';
import { gate, ground, raising } from './ground.ts';
import { holds } from './holds.ts';
import { rates } from './rates.ts';
import { reserving } from './reserve.ts';
import { spending } from './spend.ts';

/** Everything a script needs that changes counters, rates and holds; `written` writes what it changed. */
export const books = `${ground}${gate}${raising}${counters}${rates}${holds}${spending}`;
export const written = `
still()
writeCounters()
writeRates()
writeHolds()
writeEntries()
`;

/**
 * All that one process asked of an organisation in one turn of its event loop, judged in the order it was asked: every
 * counter is read once, changed here, and written once at the end, so that the tenth operation costs little more than its
 * own hold and entry. An operation that is refused has changed nothing.
 *
 * KEYS: any, the epoch (left out where nothing but reading is asked). ARGV[2]: JSON of
 * [not after, how long an estimate may be replaced, operations]; ARGV[3..]: plans' texts. Operations:
 *   0 reserve, 1 amend, 4 read (see there)
 *   [2, id, '', nusd, tokens, input, estimated, keep_ms, tell, labels]   settle. tell: 0 nothing, -1 all by
 *                                                     key, else how many counters the asker knows, and no keys;
 *                                                     where it replaces an estimate, all by key
 *   [3, id, nonce]                                    release: only what that very reserve took (empty: whatever is held);
 *                                                     all by key where an estimate is taken back
 *   [5, id, plan, nusd, tokens, input, estimated, keep_ms, labels]   settles a hold this store has lost
 *   [6, how many, lease_ms]                           reap: answers how many leases were over, and as JSON what was settled
 *                                                     and its counters' sums
 *   [7, key, unit, slot_ms, slots]                    sets a counter to zero; answers how often it was by now
 *   [8, id, plan, nusd, tokens, input, lease_ms, owner, nonce, labels]   holds again, whatever the limits say, what this
 *                                                     store admitted and has lost
 *   [9, id, plan, nusd, tokens, input, owner, nonce, labels]   settles a hold at the estimate again that this store has lost
 * Answer: a text of the time, whether limits stand in, then each operation's line (a code and what it calls for, see answers).
 * Settle: 0 or 5 settled, 1 repeated, 2 unknown.
 */
export const turn = `${books}${answering}
local asked = cjson.decode(A[2])
local not_after, estimate_ms, verbs = asked[1], asked[2], {}
${reserving}${amending}
verbs[2] = function(o)
  local id = o[2]
  local h = find(id)
  if not h then return {2} end
  if h == 's' then return {1} end
  local replaces = h[STATE] == 'p'
  local shape = spend(id, h, o[4], o[5], o[6], o[7], false, o[8], o[10])
  -- by how much the sums have changed its sender cannot know
  if replaces then return named(shape) end
  if o[9] == 0 then return {0} end
  return told(shape, o[9])
end
verbs[3] = function(o)
  local id, nonce = o[2], o[3]
  local h = find(id)
  if not h or h == 's' or (nonce ~= '' and nonce ~= h[NONCE]) then return {0} end
  local shape, shares, counted = shapeOf(h[PLANS]), h[SHARES], h[STATE] == 'p'
  if counted then
    unspend(id, h, shape, 'released')
  else
    for _, b in ipairs(shape.budgets) do
      local c = counterOf(b)
      if c.alive then hold(c, -size(b.unit, h[NUSD], h[TOKENS])) end
    end
    leave(h, id, shape)
  end
  for at, r in ipairs(shape.rates) do
    if r.unit ~= 'c' then
      local w = window(r.key, r.ms, r.n)
      if lives(w, shares[at * 2 - 1]) then change(w, shares[at * 2 - 1], -shares[at * 2]) end
    end
  end
  keep(id, false, 0)
  return counted and named(shape) or {1}
end
verbs[5] = function(o)
  local id, plan = o[2], planOf(A[o[3] + 3])
  local h = find(id)
  if h == 's' then return {1} end
  if h then return named(spend(id, h, o[4], o[5], o[6], o[7], false, o[8], o[9])) end
  local shape = shapeOf({plan.source})
  for _, b in ipairs(shape.budgets) do
    local c = counterOf(b)
    create(c)
    govern(c, b.limit, b.hard)
    count(c, size(b.unit, o[4], o[5]), o[5], 1, c.slot)
  end
  entry(id, 'settled', o[4], o[5], o[6], o[7], '', shape.keys, o[9], shape.rolls)
  keep(id, 's', o[8])
  return named(shape)
end
-- leases end further away than any is long where the clock had been ahead: they are as long as one from now on
local function shorten(bound, lease_ms, most)
  local far = call('ZRANGEBYSCORE', base .. 'leases', '(' .. text(bound), '+inf', 'LIMIT', 0, most)
  fetch(far)
  for _, id in ipairs(far) do
    local h = held[id]
    if not h or h == 's' or h[STATE] ~= 'o' then
      leases[id] = false
    else
      h[EXPIRES] = now + lease_ms
      keep(id, h, 0)
      leases[id] = h[EXPIRES]
      for _, r in ipairs(shapeOf(h[PLANS]).rates) do
        if r.unit == 'c' then seats(r.key).moved[id] = h[EXPIRES] end
      end
    end
  end
end
verbs[6] = function(o)
  shorten(now + max(2 * o[3], 3600000), o[3], o[2])
  local due = call('ZRANGEBYSCORE', base .. 'leases', '-inf', text(now), 'LIMIT', 0, o[2])
  fetch(due)
  local settled = {}
  for _, id in ipairs(due) do
    local h = held[id]
    if not h or h == 's' or h[STATE] ~= 'o' then
      leases[id] = false
    elseif h[EXPIRES] <= now then
      spend(id, h, h[NUSD], h[TOKENS], h[INPUT], '1', true, estimate_ms, '')
      settled[#settled + 1] = {id, text(h[NUSD]), text(h[TOKENS]), text(h[INPUT]), h[OWNER], h[NONCE], h[LABELS], h[PLANS]}
    end
  end
  if #settled == 0 then return {#due} end
  local sums = {}
  for at, c in ipairs(ordered) do sums[at] = {c.key, text(c.spent), text(max(0, c.limit)), c.hard} end
  return {#due, cjson.encode({settled, sums})}
end
verbs[9] = function(o)
  local id, plan, nusd, tokens, input, labels = o[2], planOf(A[o[3] + 3]), o[4], o[5], o[6], o[9]
  local h = find(id)
  if h and (h == 's' or h[STATE] == 'p') then return {1} end
  if h then
    spend(id, h, h[NUSD], h[TOKENS], h[INPUT], '1', true, estimate_ms, '')
    return {0}
  end
  local shape, resets = shapeOf({plan.source}), {}
  for at, b in ipairs(shape.budgets) do
    local c = counterOf(b)
    resets[at] = c.resets
    if not c.alive and (b.expires == 0 or b.expires > now) then
      create(c)
      govern(c, b.limit, b.hard)
    end
    if c.alive then count(c, size(b.unit, nusd, tokens), tokens, 1, c.slot) end
  end
  entry(id, 'provisional', nusd, tokens, input, '1', '', shape.keys, labels, shape.rolls)
  keep(id, {2, 'p', o[7], nusd, tokens, input, now, o[8], labels, {plan.source}, {}, shape.rolls and tick() or now, resets}, estimate_ms)
  return {0}
end
verbs[7] = function(o)
  local c = counter(o[2], o[3], 0, o[4], o[5])
  if not c.alive then return {0} end
  zero(c)
  c.resets = c.resets + 1
  entry('reset:' .. o[2], 'reset', 0, 0, 0, '0', '', o[2], '', c.ms and true)
  return {1, c.resets}
end

verbs[8] = function(o)
  local id, plan, nusd, tokens, input, expires = o[2], planOf(A[o[3] + 3]), o[4], o[5], o[6], now + o[7]
  local h, shared, shares = find(id), {}, {}
  if h and (h == 's' or h[STATE] == 'p') then return {1} end
  if h then
    local shape = shapeOf(h[PLANS])
    for _, b in ipairs(shape.budgets) do
      local c = counterOf(b)
      if c.alive then hold(c, -size(b.unit, h[NUSD], h[TOKENS])) end
    end
    for at, r in ipairs(shape.rates) do shared[r.key] = at end
  end
  for _, b in ipairs(plan.budgets) do
    if b.expires == 0 or b.expires > now then
      local c = counterOf(b)
      create(c)
      if c.made then govern(c, b.limit, b.hard) end
      hold(c, size(b.unit, nusd, tokens))
    end
  end
  for at, r in ipairs(plan.rates) do
    local was, slot, amount = shared[r.key], 0, 0
    if was then slot, amount = h[SHARES][was * 2 - 1], h[SHARES][was * 2] end
    if r.unit == 'c' then
      local s = seats(r.key)
      if was and h[EXPIRES] > now then s.taken = s.taken - 1 end
      sit(r, id, expires)
    elseif not was then
      local w = window(r.key, r.ms, r.n)
      slot, amount = w.slot, sizeOf(r.unit, tokens, input)
      change(w, slot, amount)
    else
      -- a replica may have it as it was before it was amended
      local w, more = window(r.key, r.ms, r.n), sizeOf(r.unit, tokens, input) - sizeOf(r.unit, h[TOKENS], h[INPUT])
      if more > 0 then
        if not lives(w, slot) then slot, amount = w.slot, 0 end
        change(w, slot, more)
        amount = amount + more
      end
    end
    shares[at * 2 - 1], shares[at * 2] = slot, amount
  end
  keep(id, {2, 'o', o[8], nusd, tokens, input, expires, o[9], o[10], {plan.source}, shares, 0, {}}, 0)
  leases[id] = expires
  return {0}
end

local ids = {}
for _, o in ipairs(asked[3]) do
  if o[1] < 4 or o[1] == 5 or o[1] > 7 then ids[#ids + 1] = o[2] end
end
fetch(ids)
local reply = {text(now) .. (any and ' 1' or ' 0')}
for at, o in ipairs(asked[3]) do reply[at + 1] = line(verbs[o[1]](o)) end
${written}
return table.concat(reply, '\\n')
`;
