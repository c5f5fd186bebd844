import { gate } from './gate.ts';
import { counting, ground, windows } from './ground.ts';
import { raising } from './limits.ts';

/** KEYS[1]: leases. ARGV: base, how many at once, how long an estimate may be replaced. Answer: how many, time. */
export const reap = `${ground}${gate}${windows}${counting}
local due = call('ZRANGEBYSCORE', KEYS[1], '-inf', text(now), 'LIMIT', 0, ARGV[2])
for _, id in ipairs(due) do
  local key = base .. 'hold:' .. id
  local hold = find(key)
  if hold and hold ~= 's' and hold[1] == 'o' then
    stillHolds(hold)
    spend(id, key, hold, hold[3], hold[4], '1', true, ARGV[3])
  else
    call('ZREM', KEYS[1], id)
  end
end
return {#due, now}
`;

/**
 * KEYS[1]: entries. ARGV: base, entries kept, how many at once. Older entries become sums, so that counters can still
 * be rebuilt. Answer: how many were folded.
 */
export const fold = `${ground}
local excess = math.min(tonumber(ARGV[3]), call('XLEN', KEYS[1]) - tonumber(ARGV[2]))
if excess <= 0 then return 0 end
local folded = base .. 'folded'
for _, one in ipairs(call('XRANGE', KEYS[1], '-', '+', 'COUNT', excess)) do
  local e = {}
  for at = 1, #one[2], 2 do e[one[2][at]] = one[2][at + 1] end
  local pn, pt = string.match(e.prior, '(%d+):(%d+)')
  local spends = e.kind == 'settled' or e.kind == 'provisional'
  local requests = spends and (pn and 0 or 1) or -1
  for key in string.gmatch(e.budgets, '%S+') do
    local unit = string.match(key, ':(%a+)$')
    local spent = e.nusd - (pn or 0)
    if unit == 'tokens' then spent = e.tokens - (pt or 0) elseif unit == 'requests' then spent = requests end
    if call('SISMEMBER', base .. 'counters', key) == 1 then
      call('HINCRBY', folded, key .. '|spent', text(spent))
      call('HINCRBY', folded, key .. '|requests', text(requests))
      call('HINCRBY', folded, key .. '|tokens', text(e.tokens - (pt or 0)))
    end
  end
  call('XDEL', KEYS[1], one[1])
end
call('HINCRBY', folded, 'generation', 1)
return excess
`;

/** KEYS[1]: counters. ARGV: base, how many to look at. Forgets what is known of counters that have expired. */
export const tidy = `${ground}
local gone = 0
for _, key in ipairs(call('SRANDMEMBER', KEYS[1], ARGV[2])) do
  if call('EXISTS', base .. key) == 0 then
    call('SREM', KEYS[1], key)
    call('HDEL', base .. 'folded', key .. '|spent', key .. '|requests', key .. '|tokens')
    gone = gone + 1
  end
end
return gone
`;

/** KEYS[1]: leases. ARGV: base. Answer: id, nusd, tokens, owner, expires of every open hold. */
export const holds = `${ground}
local reply = {}
for _, id in ipairs(call('ZRANGE', KEYS[1], 0, -1)) do
  local hold = find(base .. 'hold:' .. id)
  if hold and hold ~= 's' and hold[1] == 'o' then
    local n = #reply
    reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4], reply[n + 5] = id, hold[3], hold[4], hold[2], hold[5]
  end
end
return plain(reply)
`;

/**
 * KEYS[1]: counters. ARGV: base. One moment's sums: the newest entry, the folds' generation, then of every counter its
 * key, limit, spent, held, requests, tokens, folded spent, requests, tokens, and what open holds have in it.
 */
export const sums = `${ground}${raising}
local holding = {}
for _, id in ipairs(call('ZRANGE', base .. 'leases', 0, -1)) do
  local hold = find(base .. 'hold:' .. id)
  if hold and hold ~= 's' and hold[1] == 'o' then
    for at = 1, #hold[7], 2 do
      local key = hold[7][at]
      holding[key] = (holding[key] or 0) + size(hold[7][at + 1], hold[3], hold[4])
    end
  end
end
local newest, folded = call('XREVRANGE', base .. 'entries', '+', '-', 'COUNT', 1), base .. 'folded'
local reply = {newest[1] and newest[1][1] or '', tonumber(call('HGET', folded, 'generation') or '0')}
for _, key in ipairs(call('SMEMBERS', KEYS[1])) do
  local v = call('HMGET', base .. key, 'limit', 'spent', 'held', 'requests', 'tokens')
  if v[2] then
    local f = call('HMGET', folded, key .. '|spent', key .. '|requests', key .. '|tokens')
    reply[#reply + 1] = key
    for at = 1, 5 do reply[#reply + 1] = tonumber(v[at] or '0') end
    reply[#reply - 4] = inForce(key, reply[#reply - 4])
    for at = 1, 3 do reply[#reply + 1] = tonumber(f[at] or '0') end
    reply[#reply + 1] = holding[key] or 0
  end
end
return plain(reply)
`;

/** KEYS[1]: a counter. ARGV: base, unit, and what to add to spent, held, requests, tokens. */
export const repair = `${ground}${counting}
local v = call('HMGET', KEYS[1], 'spent', 'held', 'requests', 'tokens')
if not v[1] then return 0 end
put(KEYS[1], ARGV[2], v[1] + ARGV[3], v[2] + ARGV[4], v[3] + ARGV[5], v[4] + ARGV[6])
return 1
`;

/** KEYS[1]: overrides. Answer: time, then what is in force. */
export const standing = `${ground}${raising}
local reply = {now}
for key, one in pairs(raised) do
  local limit, expires = string.match(one, '^(%d+) (%d+)$')
  if expires == '0' or now < tonumber(expires) then
    reply[#reply + 1] = key
    reply[#reply + 1] = limit
    reply[#reply + 1] = expires
  end
end
return reply
`;

/** KEYS[1]: a counter. ARGV: base, its key. Nothing is spent there any more, and an entry says so. */
export const reset = `${ground}${gate}${counting}
still('entries')
if call('EXISTS', KEYS[1]) == 0 then return {0, now} end
put(KEYS[1], call('HEXISTS', KEYS[1], 'spent_usd') == 1 and 'n' or 't', 0, call('HGET', KEYS[1], 'held'), 0, 0)
entry('reset:' .. ARGV[2], 'reset', 0, 0, '0', '', {ARGV[2], ''})
return {1, now}
`;

/**
 * Settles a hold this store has lost (a failover, a restart without a file) from what its owner remembers of it.
 * KEYS: hold, budgets. ARGV: as settle's, then unit, limit, hard, expiry of each budget.
 */
export const recover = `${ground}${gate}${windows}${counting}
local id, nusd, tokens = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local hold = find(KEYS[1])
if hold == 's' then return {1, now} end
if hold then return plain({0, now, unpack(spend(id, KEYS[1], hold, nusd, tokens, ARGV[5], false, ARGV[6]))}) end
local budgets, reply = {}, {0, now}
for at = 2, #KEYS - 1 do
  local key, place = KEYS[at], 6 + (at - 2) * 4
  local unit, limit, hard, expires = ARGV[place + 1], ARGV[place + 2], ARGV[place + 3], ARGV[place + 4]
  local short = string.sub(key, #base + 1)
  local v = call('HMGET', key, 'spent', 'held', 'requests', 'tokens')
  local spent = sum(tonumber(v[1] or '0'), size(unit, nusd, tokens))
  put(key, unit, spent, tonumber(v[2] or '0'), tonumber(v[3] or '0') + 1, sum(tonumber(v[4] or '0'), tokens))
  call('HSET', key, 'limit', limit, 'hard', hard)
  if not v[1] then
    if expires ~= '0' then call('PEXPIREAT', key, expires) end
    call('SADD', base .. 'counters', short)
  end
  budgets[#budgets + 1] = short
  budgets[#budgets + 1] = unit
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4], reply[n + 5] = short, spent, tonumber(v[2] or '0'), tonumber(limit), hard
end
entry(id, 'settled', nusd, tokens, ARGV[5], '', budgets)
call('SET', KEYS[1], 's', 'PX', ARGV[6])
return plain(reply)
`;
