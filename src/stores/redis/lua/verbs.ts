import { gate } from './gate.ts';
import { counting, ground, windows } from './ground.ts';
import { limits, raising } from './limits.ts';

/** Further ARGV, from the last: owner, nusd, tokens, lease_ms, id, nonce. */
export const reserve = `${ground}${gate}${windows}${limits}
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
still('leases', 'counters')
local reply, held, found, units = {0, now}, {}, {}, {}
for at = 1, nb do
  local code, limit = string.sub(codes, at, at), tonumber(A[first + at])
  local unit = small[code]
  local v = call('HMGET', K[1 + at], 'spent', 'held', 'limit', 'hard')
  local spent, holds, asked = tonumber(v[1] or '0'), tonumber(v[2] or '0'), size(unit, nusd, tokens)
  limit = inForce(short(K[1 + at]), limit)
  local told = limit
  if code == unit then limit = exact end
  if asked > 0 and spent + holds + asked > limit then return plain({1, now, at - 1, asked, spent, holds, told}) end
  found[at], held[at], units[at] = v, holds + asked, unit
  reply[at * 3], reply[at * 3 + 1], reply[at * 3 + 2] = spent, holds + asked, told
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
  local limit, hard = A[first + at], string.sub(codes, at, at) ~= unit and '1' or '0'
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
 * ARGV: base, id, nusd, tokens, estimated, how long to remember, and '1' where the caller knows the limits itself.
 * Answer: 0 settled, 1 repeated, 2 unknown; time; then key, spent, held of each budget, and its limit and hard unless
 * the caller knows.
 */
export const settle = `${ground}${gate}${raising}${windows}${counting}
local hold = find(K[1])
if not hold then return {2, now} end
if hold == 's' then return {1, now} end
stillHolds(hold)
local states = spend(A[2], K[1], hold, tonumber(A[3]), tonumber(A[4]), A[5], false, A[6], A[7] == '1' and not any)
for at = 1, any and #states or 0, 5 do states[at + 3] = inForce(states[at], states[at + 3]) end
return plain({0, now, unpack(states)})
`;

/** ARGV: base, id, nonce (empty: whatever is held). Gives back only what that very reserve took. */
export const release = `${ground}${gate}${windows}${counting}
local id, hold = A[2], find(K[1])
if not hold or hold == 's' or (A[3] ~= '' and A[3] ~= hold[6]) then return {0, now} end
stillHolds(hold)
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
