/** Limits that stand in for configured ones. */
export const raising = `
-- limits that stand in for configured ones: a hash of 'limit expires' by the budget's key without its date
local raised, any = {}, call('HGETALL', base .. 'overrides')
for at = 1, #any, 2 do raised[any[at]] = any[at + 1] end
any = #any > 0
local function inForce(key, limit)
  if not any then return limit end
  local head, word, rest = string.match(key, '^(budget:[^:]*:[^:]*:(%a+))(.*)$')
  if word ~= 'total' and word ~= 'rolling' then key = head .. string.gsub(rest, '^:[^@:]*', '') end
  local most, expires = string.match(raised[key] or '', '^(%d+) (%d+)$')
  if most and (expires == '0' or now < tonumber(expires)) then return tonumber(most) end
  return limit
end
`;

/**
 * Answers are lists of numbers: a code, the server's time, and what the code calls for.
 *   0  held: spent, held of each budget, then used, reset_ms of each rate
 *   1  refused by a budget: its place, asked, spent, held
 *   2  refused by a rate: its place, asked, retry_after_ms, used, reset_ms
 *   3  not now: the window has turned or the caller has stopped waiting; nothing was done
 *
 * KEYS: hold, budgets, rates. ARGV: base, the budgets' units (a letter each, capital where it refuses), rates' number,
 * valid from, valid to, not after, the budgets' expiries (in one text: arguments cost more than their reading), then
 * each budget's limit, and each rate's unit, limit, slot_ms and count.
 */
export const limits = `${raising}
local codes, nr = A[2], tonumber(A[3])
local nb = #codes
if now < tonumber(A[4]) or now >= tonumber(A[5]) or now > tonumber(A[6]) then return {3, now} end
local first, small = 7, {n = 'n', N = 'n', t = 't', T = 't', r = 'r', R = 'r'}
local function budget(at)
  local code = string.sub(codes, at, at)
  local unit = small[code]
  return K[1 + at], unit, code ~= unit, tonumber(A[first + at])
end
local function rate(at)
  local place = first + nb + at * 4
  return K[1 + nb + at], A[place - 3], tonumber(A[place - 2]), tonumber(A[place - 1]), tonumber(A[place])
end
local function seats(key) return call('ZCOUNT', key, '(' .. text(now), '+inf') end
local function short(key) return string.sub(key, #base + 1) end
local function create(key, at, unit)
  call('HSET', key, 'spent', '0', 'held', '0', 'requests', '0', 'tokens', '0')
  if unit == 'n' then call('HSET', key, 'spent_usd', '0.000000000') end
  local place = 0
  for expires in string.gmatch(A[7], '%d+') do
    place = place + 1
    if place == at and expires ~= '0' then call('PEXPIREAT', key, expires) end
  end
  call('SADD', base .. 'counters', short(key))
end
local function standing()
  local reply = {0, now}
  for at = 1, nb do
    local v = call('HMGET', K[1 + at], 'spent', 'held')
    reply[#reply + 1] = tonumber(v[1] or '0')
    reply[#reply + 1] = tonumber(v[2] or '0')
    reply[#reply + 1] = inForce(short(K[1 + at]), tonumber(A[first + at]))
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
