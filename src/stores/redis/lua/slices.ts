import { shaping, slotting } from './counters.ts';
import { happened } from './happened.ts';
import { owning } from './owner.ts';
import { books, written } from './turn.ts';

/** How long it is known what a store had of one who began to tell it again and was not heard of since. */
const had_ms = 7 * 86_400_000;

/**
 * Slices: parts of counters that an owner has taken out. They count as held, and stand in the counter's field `leased`.
 *
 *   slices          a sorted set: owners by the end of their lease
 *   slices:<owner>  a hash: `number` of the last trade, `done` the last item, `lost` when the lease was over and the
 *                   slices were counted as spent, `b|<counter>` the amount of a slice, `c|<seats>` seats,
 *                   `l|<counter>` what a slice that was found again lacks of its amount, `lacks` where there are some,
 *                   `r|<counter>` its resets when it was lost, `p|<id>` when an estimate was counted, `have` how many
 *                   slices and seats there are
 *   had             a hash: the newest item of an owner that a store which lost data had, and who tells it again, until that is in
 *   wanted          a hash: who could not get what a call needed of a counter or of seats, and until when that is told
 */
const slicing = `
local owners = base .. 'slices'
${slotting}${shaping}
local function lease(c, amount)
  c.held, c.leased, c.leases, c.touched = sum(c.held, amount), sum(c.leased, amount), true, true
end
${owning}
local function moved(owner, c, amount, prior)
  entry('slice:' .. owner .. ':' .. c.key, 'slice', 0, 0, 0, '1', prior, c.key, '', c.ms and true)
  local e = entries[#entries]
  e[#e + 1], e[#e + 2] = 'moved', amount
end
local function lose(owner, rec)
  for short, amount in each(rec.b) do
    local c = shaped(short)
    if c.alive and amount > 0 then
      lease(c, -amount)
      count(c, amount, 0, 0, c.slot)
      moved(owner, c, amount, '')
      rec.r[short] = c.resets
    end
  end
  rec.lost = tick()
end
local function find_again(owner, rec)
  for short, amount in each(rec.b) do
    local c = shaped(short)
    if c.alive and amount > 0 then
      if rec.r[short] == c.resets and counts(c, rec.lost) then
        count(c, -amount, 0, 0, slotOf(c, rec.lost))
        moved(owner, c, -amount, '0:0:0:' .. text(rec.lost))
      elseif c.hard then
        -- what it counted as was forgiven: others may have the room by now
        local left = math.min(amount, max(0, inForce(short, c.limit) - taken(c)))
        rec.l[short], rec.lacks = (rec.l[short] or 0) + amount - left, 1
        rec.b[short], amount = left, left
      end
      lease(c, amount)
    end
  end
  rec.lost, rec.r = nil, {}
end
`;

/**
 * KEYS: the owner's slices, the epoch. ARGV: base, the trade as JSON, how long an owner that went away is remembered, items.
 * Answer: 1, time, number where a later trade was done before; else 0, or 2 where its lease had been over, time, the newest item that
 * was done before (before all that was told again, where this is), and of every
 * slice asked about its amount, spent, what everyone holds, limit in force, wanted, turned, when it is empty, how often it was
 * set to zero; of every window granted, slot, how long it lasts, used, reset, how many parts go first, amount and time of each;
 * of all seats the amount, what others have, wanted; of every renewal `h`, held again, or `e`, still an estimate, with 1 for each
 * counter it counts in and 0 for the others; then of counters that were told of and not asked about how many, and of each its
 * key, spent, how often it was set to zero; then where estimates count that were told, two words each (see happened).
 */
export const trade = `${books}${slicing}
local t = cjson.decode(A[2])
local rec = load(K[1], not t.whole)
local owner = t.owner
if t.number <= (rec.number or 0) then return plain({1, now, rec.number}) end
-- what this store had before anything was told it again; another telling that comes to no end does not change that
local retold = t.estimates and match(call('HGET', base .. 'had', owner) or '', '^%d+')
local had = tonumber(retold or rec.done or 0)
local lapsed = rec.lost
if lapsed then find_again(owner, rec) end

${happened}
local alive = max(1, call('ZCOUNT', owners, '(' .. text(now), '+inf') + (call('ZSCORE', owners, owner) and 0 or 1))
local function granted(left, ask)
  if ask.asked + ask.ahead == 0 or left <= 0 or left < ask.least then return 0 end
  local share = floor(left / (4 * alive))
  -- nobody waits: near the end pieces that no call fits in must not lie about
  if ask.asked == 0 then return share >= ask.ahead and ask.ahead or 0 end
  return math.min(left, max(ask.asked, math.min(ask.asked + ask.ahead, share)))
end

local reply, touched = {lapsed and 2 or 0, now, had}, {}
local function say(...)
  for _, one in ipairs({...}) do reply[#reply + 1] = one end
end
local starving, wanted, wants, fed = call('HGETALL', base .. 'wanted'), {}, {}, {}
for at = 1, #starving, 2 do
  local who, till = match(starving[at + 1], '^(%S+) (%d+)$')
  if tonumber(till) <= now then fed[#fed + 1] = starving[at] elseif who ~= owner then wanted[starving[at]] = true end
end
for _, ask in ipairs(t.slices) do
  local short, hard = ask.key, ask.hard == 1
  touched[short] = true
  local c = counter(short, ask.unit, ask.expires, ask.ms, ask.n)
  local has, limit = rec.b[short] or 0, inForce(short, ask.limit)
  local whole = ask.holds + (kept[short] or 0)
  local lack = math.min(rec.l[short] or 0, ask.holds)
  local holds = whole - lack
  local mine = max(holds, math.min(has, whole + ask.free))
  local turned = now < ask.start or (ask['end'] ~= 0 and now >= ask['end'])
  local grant = 0
  if not turned then
    local left = (hard and limit or exact) - taken(c) - (mine - has)
    if wanted[short] then ask.ahead = 0 end
    grant = granted(left, ask)
    if grant < ask.asked and c.leased - has > 0 then wants[short] = owner .. ' ' .. text(now + 2000) end
  end
  if mine + grant ~= has or (ask.asked > 0 and not turned) then
    create(c)
    govern(c, ask.limit, hard)
    lease(c, mine + grant - has)
    rec.b[short] = mine + grant
  end
  if rec.lacks then rec.l[short] = math.min(lack, max(0, whole - (rec.b[short] or 0))) end
  say(rec.b[short] or 0, c.spent, c.held, limit, wanted[short] and 1 or 0, turned and 1 or 0, c.ms and empties(c) or 0,
    c.resets)
end
for _, ask in ipairs(t.rates) do
  local w = window(ask.key, ask.ms, ask.n)
  local grant = granted(ask.limit - w.used, ask)
  if grant > 0 then change(w, w.slot, grant) end
  local short = grant < ask.asked and ask.least > 0
  local parts = short and fades(w, w.used + ask.most - ask.limit) or {}
  say(grant, w.slot, (w.slot + 1) * ask.ms - now, w.used, reset(w), #parts / 2, unpack(parts))
end
local expires = now + t.lease_ms
local function seat(at) return 'slice:' .. owner .. ':' .. at end
for _, ask in ipairs(t.seats) do
  local s, has, live = seats(ask.key), rec.c[ask.key] or 0, 0
  touched[ask.key] = true
  -- all of them last as long, and longer than a lease, so that not each trade has to renew thousands
  local lasts = tonumber(has > 0 and call('ZSCORE', base .. ask.key, seat(1)) or '0')
  if lasts > now then live = has end
  local stays = lasts >= expires
  if not stays then lasts = expires + floor(t.lease_ms / 4) end
  local others = s.taken - live
  local mine = max(ask.holds, math.min(ask.holds + ask.free, ask.limit - others))
  if wanted[ask.key] then ask.ahead = 0 end
  local grant = granted(ask.limit - others - mine, ask)
  if grant < ask.asked and others > 0 then wants[ask.key] = owner .. ' ' .. text(now + 2000) end
  mine = mine + grant
  for at = stays and has + 1 or 1, mine do s.moved[seat(at)] = lasts end
  for at = mine + 1, has do s.moved[seat(at)] = false end
  rec.c[ask.key] = mine
  say(mine, others, wanted[ask.key] and 1 or 0)
end
for _, word in ipairs(renewed) do say(word) end
local aside = {}
for _, c in ipairs(t.estimates and {} or ordered) do
  if c.alive and not touched[c.key] then aside[#aside + 1] = c end
end
say(#aside)
for _, c in ipairs(aside) do say(c.key, c.spent, c.resets) end
for _, word in ipairs(estimated) do say(word) end
if t.whole then
  for short, amount in each(rec.b) do
    if not touched[short] then
      local rest = math.min(amount, kept[short] or 0)
      lease(shaped(short), rest - amount)
      rec.b[short], rec.l[short] = rest, 0
    end
  end
  for key, amount in each(rec.c) do
    if not touched[key] then
      for at = 1, amount do seats(key).moved[seat(at)] = false end
      rec.c[key] = 0
    end
  end
end

${written}
local fields, gone, have = {}, {'lost'}, rec.have or 0
local function field(name, value)
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
for _, kind in ipairs({'b', 'c'}) do
  local was = rec.have and rec[kind][lazyWas]
  for name, amount in each(rec[kind]) do
    local before = was and (was[name] or 0)
    if amount ~= before then
      if amount > 0 then field(kind .. '|' .. name, amount)
      else
        gone[#gone + 1] = kind .. '|' .. name
        gone[#gone + 1] = 'r|' .. name
      end
      have = have + (amount > 0 and 1 or 0) - ((before or 0) > 0 and 1 or 0)
    end
  end
end
local holds = have > 0
if rec.lacks then
  local lacking = false
  for short, amount in each(rec.l) do
    if amount > 0 then
      lacking = true
      field('l|' .. short, amount)
    else gone[#gone + 1] = 'l|' .. short end
  end
  if lacking then field('lacks', 1) else gone[#gone + 1] = 'lacks' end
end
if t.estimates then
  call('HSET', base .. 'had', owner, text(had) .. ' ' .. t.me)
  call('PEXPIRE', base .. 'had', ${had_ms})
end
field('number', t.number)
field('done', done)
field('have', have)
for id, at in each(rec.p) do
  if not rec.have or rec.p[lazyWas][id] ~= at then field('p|' .. id, at) end
end
for name in pairs(forgotten) do gone[#gone + 1] = name end
spread('HDEL', K[1], gone)
spread('HSET', K[1], fields)
spread('HDEL', base .. 'wanted', fed)
for short, word in pairs(wants) do
  call('HSET', base .. 'wanted', short, word)
  call('PEXPIRE', base .. 'wanted', 10000)
end
if holds then
  call('ZADD', owners, expires, owner)
  call('PERSIST', K[1])
else
  call('ZREM', owners, owner)
  call('PEXPIRE', K[1], A[3])
end
return plain(reply)
`;

/**
 * KEYS: owners, the epoch. ARGV: base, how long an owner that went away is remembered. What such an owner had taken counts
 * as spent, until it comes back and tells what of it really was. Answer: 0, the time, how many owners.
 */
export const reclaim = `${books}${slicing}
-- as holds are shortened: an owner that lives trades long before
for _, owner in ipairs(call('ZRANGEBYSCORE', K[1], '(' .. text(now + 3600000), '+inf', 'LIMIT', 0, 50)) do
  call('ZADD', K[1], now + 60000, owner)
end
local due = call('ZRANGEBYSCORE', K[1], '-inf', text(now), 'LIMIT', 0, 50)
local lost = {}
for _, owner in ipairs(due) do
  local rec = load(base .. 'slices:' .. owner)
  if not rec.lost then
    lose(owner, rec)
    for key, amount in each(rec.c) do
      for at = 1, amount do seats(key).moved['slice:' .. owner .. ':' .. at] = false end
    end
    lost[owner] = rec
  end
end
${written}
for owner, rec in pairs(lost) do
  local key = base .. 'slices:' .. owner
  call('HSET', key, 'lost', rec.lost)
  for short, resets in pairs(rec.r) do call('HSET', key, 'r|' .. short, resets) end
  for name in pairs(rec.c) do call('HDEL', key, 'c|' .. name) end
  call('PEXPIRE', key, A[2])
end
for _, owner in ipairs(due) do call('ZREM', K[1], owner) end
return {0, now, #due}
`;

/** KEYS[1]: a sorted set of processes by when they count as gone. ARGV: a process, how long it lives without another word. */
export const beat = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return redis.call('ZCARD', KEYS[1])
`;
