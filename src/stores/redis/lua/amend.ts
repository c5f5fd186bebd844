import { gate } from './gate.ts';
import { counting, ground, windows } from './ground.ts';
import { limits } from './limits.ts';

/**
 * Further ARGV, from the last: nusd, tokens, lease_ms, id. Code 4: nothing is held under that id. Held is told by key:
 * the number of budgets, key, spent, held, limit, hard of each, then key, used, reset_ms, limit of each rate.
 * A refusal names a held limit that was not asked for by its key instead of its place.
 */
export const amend = `${ground}${gate}${windows}${counting}${limits}
local last = #A
local nusd, tokens, lease_ms, id = tonumber(A[last - 3]), tonumber(A[last - 2]), tonumber(A[last - 1]), A[last]
local hold = find(K[1])
if not hold or hold == 's' then return {4, now} end
stillHolds(hold)
local was, asks, ringed, seated = hold[1] == 'p', {}, {}, {}
local function ask(key, unit, hard, limit, holding, name, at)
  local v = call('HMGET', key, 'spent', 'held', 'requests', 'tokens', 'limit', 'hard')
  if not limit then limit, hard = tonumber(v[5] or '0'), v[6] == '1' end
  local told = inForce(short(key), limit)
  local spent, held, bound = tonumber(v[1] or '0'), tonumber(v[2] or '0'), told
  local asked = size(unit, nusd, tokens) - (holding and size(unit, hold[3], hold[4]) or 0)
  if not hard then bound = exact end
  if asked > 0 and spent + held + asked > bound then return plain({1, now, name, asked, spent, held, told, hard and 1 or 0}) end
  asks[#asks + 1] = {key = key, unit = unit, found = v[1], holding = holding, at = at, limit = limit, told = told, hard = hard,
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
  reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4], reply[n + 5] = short(a.key), a.spent, a.held, a.told, a.hard and 1 or 0
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
