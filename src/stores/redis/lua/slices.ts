import { counting, ground, windows } from './ground.ts';

/**
 * Slices: parts of counters that an owner has taken out. What is in a slice counts as held, and stands in the counter's
 * field `leased` as well.
 *
 *   slices          a sorted set: owners by the end of their lease
 *   slices:<owner>  a hash: `number` of the last trade, `done` the last item, `lost` once the lease was over and the
 *                   slices were counted as spent, `b|<counter>` the amount of a slice, `c|<seats>` seats
 *   wanted          a hash: who could not get what a call needed of a counter, and until when that is told
 */
const slicing = `
local owners = base .. 'slices'
local counters = {}
local function counter(short, unit)
  local c = counters[short]
  if c then return c end
  local v = call('HMGET', base .. short, 'spent', 'held', 'requests', 'tokens', 'leased')
  c = {unit = unit, found = v[1], spent = tonumber(v[1] or '0'), held = tonumber(v[2] or '0'),
    requests = tonumber(v[3] or '0'), tokens = tonumber(v[4] or '0'), leased = tonumber(v[5] or '0')}
  counters[short] = c
  return c
end
local function make(c, short, limit, hard, expires)
  if not c.found then
    c.found, c.expires = true, expires
    call('SADD', base .. 'counters', short)
  end
  c.limit, c.hard, c.dirty = limit, hard, true
end
local function lease(c, amount)
  c.held, c.leased, c.dirty = sum(c.held, amount), sum(c.leased, amount), true
end
local function store()
  for short, c in pairs(counters) do
    if c.dirty and c.found then
      put(base .. short, c.unit, c.spent, c.held, c.requests, c.tokens)
      call('HSET', base .. short, 'leased', c.leased)
      if c.limit then call('HSET', base .. short, 'limit', c.limit, 'hard', c.hard) end
      if c.expires and c.expires ~= 0 then call('PEXPIREAT', base .. short, c.expires) end
    end
  end
end
local function unitOf(short)
  if string.sub(short, -7) == ':tokens' then return 't' end
  if string.sub(short, -9) == ':requests' then return 'r' end
  return 'n'
end
local function swap(owner, short, amount, lost)
  if amount == 0 then return end
  local c = counter(short, unitOf(short))
  if not c.found then return end
  lease(c, lost and -amount or amount)
  c.spent = sum(c.spent, lost and amount or -amount)
  call('XADD', base .. 'entries', '*', 'id', 'slice:' .. owner .. ':' .. short, 'kind', 'slice', 'nusd', 0, 'tokens', 0,
    'estimated', '1', 'prior', '', 'budgets', short, 'moved', lost and amount or -amount)
end
local function load(key)
  local rec, all = {b = {}, c = {}}, call('HGETALL', key)
  for at = 1, #all, 2 do
    local name, value = all[at], tonumber(all[at + 1])
    local kind = string.sub(name, 1, 2)
    if kind == 'b|' then rec.b[string.sub(name, 3)] = value
    elseif kind == 'c|' then rec.c[string.sub(name, 3)] = value
    else rec[name] = value end
  end
  return rec
end
`;

/**
 * KEYS[1]: the owner's slices. ARGV: base, the trade as JSON, how long an owner that went away is remembered.
 * Answer: 1, time, number where a later trade was done before; else 0, time, and of every slice asked about its amount,
 * spent, held, limit, wanted, turned; of every window granted, slot, how long it lasts, used, reset, retry; of all seats
 * the amount and what others have.
 */
export const trade = `${ground}${windows}${counting}${slicing}
local t = cjson.decode(A[2])
local rec = load(K[1])
local owner = t.owner
if t.number <= (rec.number or 0) then return plain({1, now, rec.number}) end
if rec.lost then
  for short, amount in pairs(rec.b) do swap(owner, short, amount, false) end
end

local done = rec.done or 0
for _, item in ipairs(t.items) do
  if item[1] > done then
    done = item[1]
    if item[2] == 'r' then
      local w = window(base .. item[3], item[6], item[7])
      if lives(w, item[4]) then change(w, item[4], item[5]) elseif item[5] > 0 then add(w, item[5]) end
    else
      local kind, id, nusd, tokens, budgets = item[2], item[3], item[4], item[5], {}
      local was, spends = item[8] >= 0, item[2] == 's' or item[2] == 'p'
      for _, k in ipairs(item[11]) do
        local short, unit, used = k[1], k[2], k[6]
        local c = counter(short, unit)
        if not c.found and (k[5] == 0 or k[5] > now) then make(c, short, k[3], k[4], k[5]) end
        if c.found then
          local after = spends and size(unit, nusd, tokens) or 0
          local before = was and size(unit, item[8], item[9]) or 0
          c.spent = sum(c.spent, after - before)
          c.tokens = sum(c.tokens, (spends and tokens or 0) - (was and item[9] or 0))
          c.requests = math.max(0, c.requests + (spends and 1 or 0) - (was and 1 or 0))
          local has = rec.b[short] or 0
          used = math.min(used, has)
          rec.b[short] = has - used
          lease(c, -used)
        end
        budgets[#budgets + 1] = short
        budgets[#budgets + 1] = unit
      end
      local name = kind == 's' and 'settled' or kind == 'p' and 'provisional' or kind == 'v' and 'held' or 'released'
      entry(id, name, nusd, tokens, item[7], was and (text(item[8]) .. ':' .. text(item[9])) or '', budgets)
    end
  end
end

local alive = math.max(1, call('ZCOUNT', owners, '(' .. text(now), '+inf') + (call('ZSCORE', owners, owner) and 0 or 1))
local function granted(left, ask)
  if ask.asked + ask.ahead == 0 or left <= 0 or left < ask.least then return 0 end
  local share = math.floor(left / (4 * alive))
  return math.min(left, math.max(ask.asked, math.min(ask.asked + ask.ahead, share)))
end

local reply, named = {0, now}, {}
local function say(...)
  for _, one in ipairs({...}) do reply[#reply + 1] = one end
end
local starving = call('HGETALL', base .. 'wanted')
local wanted = {}
for at = 1, #starving, 2 do
  local who, till = string.match(starving[at + 1], '^(%S+) (%d+)$')
  if tonumber(till) <= now then call('HDEL', base .. 'wanted', starving[at])
  elseif who ~= owner then wanted[starving[at]] = true end
end
for _, ask in ipairs(t.slices) do
  local short, unit, hard = ask.key, ask.unit, ask.hard == 1
  named[short] = true
  local c = counter(short, unit)
  local has = rec.b[short] or 0
  local mine = math.max(ask.holds, math.min(has, ask.holds + ask.free))
  local turned = now < ask.start or (ask['end'] ~= 0 and now >= ask['end'])
  local grant = 0
  if not turned then
    local left = (hard and ask.limit or exact) - c.spent - c.held - (mine - has)
    if wanted[short] then ask.ahead = 0 end
    grant = granted(left, ask)
    if grant < ask.asked and c.leased - has > 0 then
      call('HSET', base .. 'wanted', short, owner .. ' ' .. text(now + 2000))
      call('PEXPIRE', base .. 'wanted', 10000)
    end
  end
  if mine + grant ~= has or (ask.asked > 0 and not turned) then
    make(c, short, ask.limit, ask.hard, ask.expires)
    lease(c, mine + grant - has)
    rec.b[short] = mine + grant
  end
  say(rec.b[short] or 0, c.spent, c.held, ask.limit, wanted[short] and 1 or 0, turned and 1 or 0)
end
for _, ask in ipairs(t.rates) do
  local w = window(base .. ask.key, ask.slot_ms, ask.count)
  local grant = granted(ask.limit - w.used, ask)
  if grant > 0 then add(w, grant) end
  local short = grant < ask.asked and ask.least > 0
  say(grant, w.slot, (w.slot + 1) * ask.slot_ms - now, w.used, reset(w), short and retry(w, w.used + ask.least - ask.limit) or 0)
end
local expires = now + t.lease_ms
local function seat(at) return 'slice:' .. owner .. ':' .. at end
for _, ask in ipairs(t.seats) do
  local key, has, live = base .. ask.key, rec.c[ask.key] or 0, 0
  named[ask.key] = true
  for at = 1, has do
    local score = call('ZSCORE', key, seat(at))
    if score and tonumber(score) > now then live = live + 1 end
  end
  local others = call('ZCOUNT', key, '(' .. text(now), '+inf') - live
  local mine = math.max(ask.holds, math.min(ask.holds + ask.free, ask.limit - others))
  mine = mine + granted(ask.limit - others - mine, ask)
  for at = 1, mine do call('ZADD', key, expires, seat(at)) end
  for at = mine + 1, has do call('ZREM', key, seat(at)) end
  rec.c[ask.key] = mine
  say(mine, others)
end

local holds = false
if t.whole then
  for short, amount in pairs(rec.b) do
    if not named[short] then
      lease(counter(short, unitOf(short)), -amount)
      rec.b[short] = 0
    end
  end
  for key, amount in pairs(rec.c) do
    if not named[key] then
      for at = 1, amount do call('ZREM', base .. key, seat(at)) end
      rec.c[key] = 0
    end
  end
end
call('HSET', K[1], 'number', t.number, 'done', done)
if rec.lost then call('HDEL', K[1], 'lost') end
local function keep(kind, table)
  for name, amount in pairs(table) do
    if amount == 0 then call('HDEL', K[1], kind .. name)
    else
      call('HSET', K[1], kind .. name, amount)
      holds = true
    end
  end
end
keep('b|', rec.b)
keep('c|', rec.c)
if holds then
  call('ZADD', owners, expires, owner)
  call('PERSIST', K[1])
else
  call('ZREM', owners, owner)
  call('PEXPIRE', K[1], A[3])
end
store()
return plain(reply)
`;

/**
 * KEYS[1]: owners. ARGV: base, how long an owner that went away is remembered. What such an owner had taken counts as
 * spent, until it comes back and tells what of it really was. Answer: how many owners.
 */
export const reclaim = `${ground}${windows}${counting}${slicing}
local due = call('ZRANGEBYSCORE', K[1], '-inf', text(now), 'LIMIT', 0, 50)
for _, owner in ipairs(due) do
  local key = base .. 'slices:' .. owner
  local rec = load(key)
  if not rec.lost then
    for short, amount in pairs(rec.b) do swap(owner, short, amount, true) end
    for name, amount in pairs(rec.c) do
      for at = 1, amount do call('ZREM', base .. name, 'slice:' .. owner .. ':' .. at) end
      call('HDEL', key, 'c|' .. name)
    end
    call('HSET', key, 'lost', 1)
    call('PEXPIRE', key, A[2])
  end
  call('ZREM', K[1], owner)
end
store()
return #due
`;

/** Adds to `holding`, by counter, what slices have in it: their owners' leases still run. */
export const slicesHeld = `
for _, owner in ipairs(call('ZRANGE', base .. 'slices', 0, -1)) do
  local all = call('HGETALL', base .. 'slices:' .. owner)
  for at = 1, #all, 2 do
    if string.sub(all[at], 1, 2) == 'b|' then
      local key = string.sub(all[at], 3)
      holding[key] = (holding[key] or 0) + tonumber(all[at + 1])
    end
  end
end
`;
