import { slotting } from './counters.ts';
import { ground, raising } from './ground.ts';
import { books, written } from './turn.ts';

/** What folded entries were added to: a rolling counter by its slots, `slot:spent:requests:tokens,...`. */
export const folding = `
local folded = base .. 'folded'
${slotting}local function addSlots(key, at, spent, requests, tokens, now_at)
  local ms, n = slotting(key)
  local slots, newest = {}, floor(now_at / ms)
  for slot, s, r, t in string.gmatch(call('HGET', folded, key .. '|slots') or '', '(%d+):(%d+):(%d+):(%d+)') do
    if tonumber(slot) > newest - n then slots[tonumber(slot)] = {tonumber(s), tonumber(r), tonumber(t)} end
  end
  local slot = floor(at / ms)
  local one = slots[slot] or {0, 0, 0}
  slots[slot] = {sum(one[1], spent), sum(one[2], requests), sum(one[3], tokens)}
  local words = {}
  for place, s in pairs(slots) do
    words[#words + 1] = text(place) .. ':' .. text(s[1]) .. ':' .. text(s[2]) .. ':' .. text(s[3])
  end
  call('HSET', folded, key .. '|slots', table.concat(words, ','))
end
local function addSums(key, spent, requests, tokens)
  call('HINCRBY', folded, key .. '|spent', text(spent))
  call('HINCRBY', folded, key .. '|requests', text(requests))
  call('HINCRBY', folded, key .. '|tokens', text(tokens))
end
local function forget(key)
  call('HDEL', folded, key .. '|spent', key .. '|requests', key .. '|tokens', key .. '|slots', key .. '|repairs')
end
`;

/**
 * KEYS[1]: entries. ARGV[2..3]: entries kept, how many at once. Older entries become sums, so that counters can still
 * be rebuilt. Answer: how many were folded.
 */
export const fold = `${ground}${folding}
local excess = math.min(tonumber(A[3]), call('XLEN', KEYS[1]) - tonumber(A[2]))
if excess <= 0 then return 0 end
for _, one in ipairs(call('XRANGE', KEYS[1], '-', '+', 'COUNT', excess)) do
  local e = {}
  for at = 1, #one[2], 2 do e[one[2][at]] = one[2][at + 1] end
  local at = tonumber(e.at or match(one[1], '^%d+'))
  local pn, pt, _, pa = match(e.prior, '(%d+):(%d+):(%d+):(%d+)')
  local spends = e.kind == 'settled' or e.kind == 'provisional'
  for key in string.gmatch(e.budgets, '%S+') do
    local gone = string.sub(key, -1) == '!'
    if gone then key = string.sub(key, 1, -2) end
    local unit, spent = match(key, ':(%a+)$'), e.nusd - (pn or 0)
    local requests, tokens = spends and (pn and 0 or 1) or -1, e.tokens - (pt or 0)
    if unit == 'tokens' then spent = tokens elseif unit == 'requests' then spent = requests end
    if e.moved then spent, requests, tokens = tonumber(e.moved), 0, 0 end
    local when = pa and not gone and tonumber(pa) or at
    if gone then spent, requests, tokens = max(0, spent), 0, max(0, tokens) end
    if gone and not spends then spent, tokens = 0, 0 end
    if call('SISMEMBER', base .. 'counters', key) == 1 then
      if e.kind == 'reset' then forget(key)
      elseif match(key, ':rolling:') then addSlots(key, when, spent, requests, tokens, at)
      else addSums(key, spent, requests, tokens) end
    end
  end
  call('XDEL', KEYS[1], one[1])
end
call('HINCRBY', folded, 'generation', 1)
return excess
`;

/** KEYS[1]: counters. ARGV[2]: how many to look at. Forgets what is known of counters that have expired. */
export const tidy = `${ground}${folding}
local gone = 0
for _, key in ipairs(call('SRANDMEMBER', KEYS[1], A[2])) do
  if call('EXISTS', base .. key) == 0 then
    call('SREM', KEYS[1], key)
    forget(key)
    gone = gone + 1
  end
end
return gone
`;

/** Answer: id, nusd, tokens, input, owner, expires of every open hold. */
export const listed = `${books}
local reply = {}
for _, id in ipairs(call('ZRANGE', base .. 'leases', 0, -1)) do
  local h = find(id)
  if h and h ~= 's' and h[STATE] == 'o' then
    local n = #reply
    reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4], reply[n + 5], reply[n + 6] = id, h[NUSD], h[TOKENS], h[INPUT], h[OWNER], h[EXPIRES]
  end
end
return plain(reply)
`;

/**
 * One moment's sums: the newest entry, the folds' generation, the time as spending is counted, the epoch, then of every counter
 * its key, limit in force, spent, held, requests, tokens, leased, its slots, folded spent, requests, tokens, slots, what
 * open holds have in it, and how often it was set to zero and repaired.
 */
export const sums = `${books}${folding}
local holding = {}
for _, id in ipairs(call('ZRANGE', base .. 'leases', 0, -1)) do
  local h = find(id)
  if h and h ~= 's' and h[STATE] == 'o' then
    for _, b in ipairs(shapeOf(h[PLANS]).budgets) do
      holding[b.key] = (holding[b.key] or 0) + size(b.unit, h[NUSD], h[TOKENS])
    end
  end
end
local newest = call('XREVRANGE', base .. 'entries', '+', '-', 'COUNT', 1)
local reply = {newest[1] and newest[1][1] or '', tonumber(call('HGET', folded, 'generation') or '0'), tick(),
  call('HGET', base .. 'primary', 'token') or ''}
for _, key in ipairs(call('SMEMBERS', base .. 'counters')) do
  local ms, n
  if match(key, ':rolling:') then ms, n = slotting(key) end
  local c = counter(key, '', 0, ms, n)
  if c.alive then
    local slots = {}
    for slot = c.ms and c.slot - n + 1 or 1, c.ms and c.slot or 0 do
      local place = slot % n
      local s = not c.slots[place] and call('HGET', base .. key, place)
      if s then slots[#slots + 1] = text(slot) .. ':' .. string.gsub(s, ' ', ':') end
    end
    local f = call('HMGET', folded, key .. '|spent', key .. '|requests', key .. '|tokens', key .. '|slots', key .. '|repairs')
    for _, one in ipairs({key, inForce(key, max(0, c.limit)), c.spent, c.held, c.requests, c.tokens, c.leased, table.concat(slots, ','),
      tonumber(f[1] or '0'), tonumber(f[2] or '0'), tonumber(f[3] or '0'), f[4] or '', holding[key] or 0,
      c.resets, tonumber(f[5] or '0')}) do
      reply[#reply + 1] = one
    end
  end
end
return plain(reply)
`;

/**
 * ARGV[2..]: a counter's key, unit, slot_ms, slots, the epoch, how often it was set to zero and repaired, what to add to held,
 * then when, spent, requests, tokens of each part to be put right. Where any of those is not as it was when somebody looked, the
 * difference is none any more: another has put it right, people have set it to zero, or this store is another one. Answer: 0, or
 * 1, the time, spent, the limit, whether it refuses.
 */
export const repair = `${books}
local c, repairs = counter(A[2], A[3], 0, tonumber(A[4]), tonumber(A[5])), call('HGET', base .. 'folded', A[2] .. '|repairs') or '0'
if not c.alive or (call('HGET', base .. 'primary', 'token') or '') ~= A[6] then return {0} end
if c.resets ~= tonumber(A[7]) or repairs ~= A[8] then return {0} end
hold(c, tonumber(A[9]))
for at = 10, #A, 4 do
  if counts(c, tonumber(A[at])) then
    count(c, tonumber(A[at + 1]), tonumber(A[at + 3]), tonumber(A[at + 2]), slotOf(c, tonumber(A[at])))
  end
end
call('HINCRBY', base .. 'folded', A[2] .. '|repairs', 1)
${written}
return plain({1, now, c.spent, max(0, c.limit), c.hard and 1 or 0})
`;

/** Answer: what stands in for configured limits now. */
export const standing = `${ground}${raising}
local reply = {now}
for key, one in pairs(raised) do
  local limit, expires = match(one, '^(%d+) (%d+)$')
  if expires == '0' or now < tonumber(expires) then
    reply[#reply + 1] = key
    reply[#reply + 1] = limit
    reply[#reply + 1] = expires
  end
end
return reply
`;
