import { counting, ground, windows } from './ground.ts';

/**
 * Answers are lists of numbers: a code, the server's time, and what the code calls for.
 *   0  held: spent, held of each budget, then used, reset_ms of each rate
 *   1  refused by a budget: its place, asked, spent, held
 *   2  refused by a rate: its place, asked, retry_after_ms, used, reset_ms
 *   3  not now: the window has turned or the caller has stopped waiting; nothing was done
 *
 * KEYS: hold, budgets, rates. ARGV: base, budgets' number, rates' number, valid from, valid to, not after, then for
 * each budget its unit (capital where it refuses), limit and expiry, and for each rate its unit, limit, slot_ms and count.
 */
const limits = `
local nb, nr = tonumber(A[2]), tonumber(A[3])
if now < tonumber(A[4]) or now >= tonumber(A[5]) or now > tonumber(A[6]) then return {3, now} end
local first, small = 6, {n = 'n', N = 'n', t = 't', T = 't', r = 'r', R = 'r'}
local function budget(at)
  local code = A[first + at * 3 - 2]
  local unit = small[code]
  return K[1 + at], unit, code ~= unit, tonumber(A[first + at * 3 - 1])
end
local function rate(at)
  local place = first + nb * 3 + at * 4
  return K[1 + nb + at], A[place - 3], tonumber(A[place - 2]), tonumber(A[place - 1]), tonumber(A[place])
end
local function seats(key) return call('ZCOUNT', key, '(' .. text(now), '+inf') end
local function short(key) return string.sub(key, #base + 1) end
local function create(key, at, unit)
  call('HSET', key, 'spent', '0', 'held', '0', 'requests', '0', 'tokens', '0')
  if unit == 'n' then call('HSET', key, 'spent_usd', '0.000000000') end
  local expires = A[first + at * 3]
  if expires ~= '0' then call('PEXPIREAT', key, expires) end
  call('SADD', base .. 'counters', short(key))
end
local function standing()
  local reply = {0, now}
  for at = 1, nb do
    local v = call('HMGET', K[1 + at], 'spent', 'held')
    reply[#reply + 1] = tonumber(v[1] or '0')
    reply[#reply + 1] = tonumber(v[2] or '0')
  end
  for at = 1, nr do
    local key, unit, limit, slot_ms, count = rate(at)
    if unit == 'c' then
      reply[#reply + 1] = seats(key)
      reply[#reply + 1] = 0
    else
      local w = window(key, slot_ms, count)
      reply[#reply + 1] = w.used
      reply[#reply + 1] = reset(w)
    end
  end
  return reply
end
`;

/** Further ARGV, from the last: owner, nusd, tokens, lease_ms, id, nonce. */
export const reserve = `${ground}${windows}${limits}
local last = #A
local owner, nusd, tokens, lease_ms, id, nonce = A[last - 5], tonumber(A[last - 4]), tonumber(A[last - 3]), tonumber(A[last - 2]), A[last - 1], A[last]
local known = find(K[1])
if known then
  -- asked again because the first answer was lost: what gives the first one back must not take this one's hold
  if known ~= 's' and known[6] ~= nonce then
    known[6] = nonce
    call('SET', K[1], cmsgpack.pack(known), 'KEEPTTL')
  end
  return plain(standing())
end
local reply, held, found, units = {0, now}, {}, {}, {}
for at = 1, nb do
  local code, limit = A[first + at * 3 - 2], tonumber(A[first + at * 3 - 1])
  local unit = small[code]
  local v = call('HMGET', K[1 + at], 'spent', 'held', 'limit', 'hard')
  local spent, holds, asked = tonumber(v[1] or '0'), tonumber(v[2] or '0'), size(unit, nusd, tokens)
  if code == unit then limit = exact end
  if asked > 0 and spent + holds + asked > limit then return plain({1, now, at - 1, asked, spent, holds}) end
  found[at], held[at], units[at] = v, holds + asked, unit
  reply[at * 2 + 1], reply[at * 2 + 2] = spent, holds + asked
end
local ws = {}
for at = 1, nr do
  local key, unit, limit, slot_ms, count = rate(at)
  if unit == 'c' then
    local taken = seats(key)
    if taken + 1 > limit then return plain({2, now, at - 1, 1, 1000, taken, 0}) end
    ws[at] = taken
  else
    local w, asked = window(key, slot_ms, count), unit == 't' and tokens or 1
    if asked > 0 and w.used + asked > limit then
      return plain({2, now, at - 1, asked, retry(w, w.used + asked - limit), w.used, reset(w)})
    end
    ws[at] = w
  end
end
local budgets, rings, chairs, expires = {}, {}, {}, now + lease_ms
for at = 1, nb do
  local key, unit, v = K[1 + at], units[at], found[at]
  local limit, hard = A[first + at * 3 - 1], A[first + at * 3 - 2] ~= unit and '1' or '0'
  if not v[1] then create(key, at, unit) end
  if v[3] == limit and v[4] == hard then call('HSET', key, 'held', held[at])
  else call('HSET', key, 'held', held[at], 'limit', limit, 'hard', hard) end
  budgets[at * 2 - 1], budgets[at * 2] = short(key), unit
end
for at = 1, nr do
  local key, unit, limit, slot_ms, count = rate(at)
  if unit == 'c' then
    call('ZADD', key, expires, id)
    chairs[#chairs + 1] = short(key)
    chairs[#chairs + 1] = limit
    reply[#reply + 1], reply[#reply + 2] = ws[at] + 1, 0
  else
    local w, asked = ws[at], unit == 't' and tokens or 1
    add(w, asked)
    local n = #rings
    rings[n + 1], rings[n + 2], rings[n + 3], rings[n + 4], rings[n + 5], rings[n + 6], rings[n + 7] = short(key), unit, w.slot, asked, slot_ms, count, limit
    reply[#reply + 1], reply[#reply + 2] = w.used, reset(w)
  end
end
call('SET', K[1], cmsgpack.pack({'o', owner, nusd, tokens, expires, nonce, budgets, rings, chairs}))
call('ZADD', base .. 'leases', expires, id)
return plain(reply)
`;

export const read = `${ground}${windows}${limits}
return plain(standing())
`;

/**
 * Further ARGV, from the last: nusd, tokens, lease_ms, id. Code 4: nothing is held under that id. Held is told by key:
 * the number of budgets, key, spent, held, limit, hard of each, then key, used, reset_ms, limit of each rate.
 * A refusal names a held limit that was not asked for by its key instead of its place.
 */
export const amend = `${ground}${windows}${counting}${limits}
local last = #A
local nusd, tokens, lease_ms, id = tonumber(A[last - 3]), tonumber(A[last - 2]), tonumber(A[last - 1]), A[last]
local hold = find(K[1])
if not hold or hold == 's' then return {4, now} end
local was, asks, ringed, seated = hold[1] == 'p', {}, {}, {}
local function ask(key, unit, hard, limit, holding, name, at)
  local v = call('HMGET', key, 'spent', 'held', 'requests', 'tokens', 'limit', 'hard')
  if not limit then limit, hard = tonumber(v[5] or '0'), v[6] == '1' end
  local spent, held, bound = tonumber(v[1] or '0'), tonumber(v[2] or '0'), limit
  local asked = size(unit, nusd, tokens) - (holding and size(unit, hold[3], hold[4]) or 0)
  if not hard then bound = exact end
  if asked > 0 and spent + held + asked > bound then return plain({1, now, name, asked, spent, held, limit, hard and 1 or 0}) end
  asks[#asks + 1] = {key = key, unit = unit, found = v[1], holding = holding, at = at, limit = limit, hard = hard,
    spent = spent, held = held, requests = tonumber(v[3] or '0'), tokens = tonumber(v[4] or '0')}
end
local function askWindow(key, unit, limit, slot_ms, count, share, name)
  local w = window(key, slot_ms, count)
  limit = limit or hold[8][share + 6]
  local asked = unit == 't' and tokens or 1
  if share then asked = unit == 't' and tokens - hold[4] or 0 end
  if asked > 0 and w.used + asked > limit then
    return plain({2, now, name, asked, retry(w, w.used + asked - limit), w.used, reset(w), limit})
  end
  w.unit, w.limit, w.share = unit, limit, share
  ringed[#ringed + 1] = w
end
local function askSeats(key, limit, holding, name)
  local taken = seats(key)
  local mine = holding and call('ZSCORE', key, id)
  local inside = mine and tonumber(mine) > now
  if not inside and taken + 1 > limit then return plain({2, now, name, 1, 1000, taken, 0, limit}) end
  seated[#seated + 1] = {key = key, taken = inside and taken or taken + 1, holding = holding, limit = limit}
end
local holding, named = {}, {}
for at = 1, #hold[7], 2 do holding[base .. hold[7][at]] = true end
for at = 1, #hold[8], 7 do holding[base .. hold[8][at]] = at end
for at = 1, #hold[9], 2 do holding[base .. hold[9][at]] = at end
for at = 1, nb do
  local key, unit, hard, limit = budget(at)
  named[key] = true
  local refused = ask(key, unit, hard, limit, holding[key], at - 1, at)
  if refused then return refused end
end
for at = 1, nr do
  local key, unit, limit, slot_ms, count = rate(at)
  named[key] = true
  local refused
  if unit == 'c' then refused = askSeats(key, limit, holding[key], at - 1)
  else refused = askWindow(key, unit, limit, slot_ms, count, holding[key], at - 1) end
  if refused then return refused end
end
for at = 1, #hold[7], 2 do
  local key = base .. hold[7][at]
  if not named[key] then
    local refused = ask(key, hold[7][at + 1], nil, nil, true, hold[7][at])
    if refused then return refused end
  end
end
for at = 1, #hold[8], 7 do
  local key = base .. hold[8][at]
  if not named[key] then
    local refused = askWindow(key, hold[8][at + 1], nil, hold[8][at + 4], hold[8][at + 5], at, hold[8][at])
    if refused then return refused end
  end
end
for at = 1, #hold[9], 2 do
  local chair = hold[9][at]
  if not named[base .. chair] then
    local refused = askSeats(base .. chair, hold[9][at + 1], at, chair)
    if refused then return refused end
  end
end

if was then entry(id, 'held', 0, 0, '1', text(hold[3]) .. ':' .. text(hold[4]), hold[7]) end
local reply, expires = {0, now, #asks}, now + lease_ms
for _, a in ipairs(asks) do
  local before, after = size(a.unit, hold[3], hold[4]), size(a.unit, nusd, tokens)
  if a.holding and not a.found then
    -- its window is long over and forgotten: nothing is counted there any more
  else
    if not a.found then create(a.key, a.at, a.unit) end
    if a.holding and was then
      a.spent, a.tokens, a.requests = sum(a.spent, -before), sum(a.tokens, -hold[4]), a.requests - 1
      a.held = sum(a.held, after)
    else
      a.held = sum(a.held, after - (a.holding and before or 0))
    end
    put(a.key, a.unit, a.spent, a.held, a.requests, a.tokens)
    call('HSET', a.key, 'limit', a.limit, 'hard', a.hard and '1' or '0')
  end
  if not a.holding then
    hold[7][#hold[7] + 1] = short(a.key)
    hold[7][#hold[7] + 1] = a.unit
  end
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4], reply[n + 5] = short(a.key), a.spent, a.held, a.limit, a.hard and 1 or 0
end
for _, w in ipairs(ringed) do
  local rings = hold[8]
  if not w.share then
    local asked, n = w.unit == 't' and tokens or 1, #rings
    add(w, asked)
    rings[n + 1], rings[n + 2], rings[n + 3], rings[n + 4], rings[n + 5], rings[n + 6], rings[n + 7] = short(w.key), w.unit, w.slot, asked, w.ms, w.count, w.limit
  elseif w.unit == 't' then
    local share, delta = w.share, tokens - hold[4]
    local alive = lives(w, rings[share + 2])
    if delta ~= 0 or not alive then
      local before = 0
      if alive then
        before = rings[share + 3]
        change(w, rings[share + 2], -before)
      end
      rings[share + 2], rings[share + 3] = w.slot, math.max(0, before + delta)
      add(w, rings[share + 3])
    end
  end
  if w.share then rings[w.share + 6] = w.limit end
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = short(w.key), w.used, reset(w), w.limit
end
for _, s in ipairs(seated) do
  call('ZADD', s.key, expires, id)
  local chair = s.holding or #hold[9] + 1
  hold[9][chair], hold[9][chair + 1] = short(s.key), s.limit
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = short(s.key), s.taken, 0, s.limit
end
hold[1], hold[3], hold[4], hold[5] = 'o', nusd, tokens, expires
call('SET', K[1], cmsgpack.pack(hold))
call('ZADD', base .. 'leases', expires, id)
return plain(reply)
`;

/**
 * ARGV: base, id, nusd, tokens, estimated, how long to remember, and '1' where the caller knows the limits itself.
 * Answer: 0 settled, 1 repeated, 2 unknown; time; then key, spent, held, limit, hard of each budget.
 */
export const settle = `${ground}${windows}${counting}
local hold = find(K[1])
if not hold then return {2, now} end
if hold == 's' then return {1, now} end
local states = spend(A[2], K[1], hold, tonumber(A[3]), tonumber(A[4]), A[5], false, A[6], A[7] == '1')
return plain({0, now, unpack(states)})
`;

/** ARGV: base, id, nonce (empty: whatever is held). Gives back only what that very reserve took. */
export const release = `${ground}${windows}${counting}
local id, hold = A[2], find(K[1])
if not hold or hold == 's' or (A[3] ~= '' and A[3] ~= hold[6]) then return {0, now} end
local was, budgets, rings = hold[1] == 'p', hold[7], hold[8]
for at = 1, #budgets, 2 do
  local unit, counter = budgets[at + 1], base .. budgets[at]
  local before = size(unit, hold[3], hold[4])
  local v = call('HMGET', counter, 'spent', 'held', 'requests', 'tokens')
  if v[1] then
    if was then
      put(counter, unit, sum(tonumber(v[1]), -before), tonumber(v[2]), tonumber(v[3]) - 1, sum(tonumber(v[4]), -hold[4]))
    else
      call('HSET', counter, 'held', sum(tonumber(v[2]), -before))
    end
  end
end
for at = 1, #rings, 7 do
  local w = window(base .. rings[at], rings[at + 4], rings[at + 5])
  if lives(w, rings[at + 2]) then change(w, rings[at + 2], -rings[at + 3]) end
end
for at = 1, #hold[9], 2 do call('ZREM', base .. hold[9][at], id) end
call('ZREM', base .. 'leases', id)
if was then entry(id, 'released', 0, 0, '0', text(hold[3]) .. ':' .. text(hold[4]), budgets) end
call('DEL', K[1])
return {1, now}
`;
