import { counters, shaping, slotting } from './counters.ts';
import { floors } from './floors.ts';
import { ground } from './ground.ts';
import { books } from './turn.ts';

/** How long an owner that was not heard of counts as one: longer than any pause of a process that lives. */
const absent_ms = 60_000;
/** Until when those are expected who come late after a loss. */
const late_ms = 6 * 86_400_000;
/** Losses, one after the other, that an epoch tells of. */
const lines_max = 8;

/**
 * Meets the primary. KEYS[1]: primary. ARGV: base, owner, the epoch it knew (or nothing), a nonce, lease_ms, young_ms,
 * then the owners it knew. Answer: a state, the server's time, the epoch, how many owners have come to it, and the owners.
 *   0  open   1  fenced: tell what you hold, then `done`   2  young: nothing is known here, and it may have been lost
 *   3  fenced for those who come late after a loss: what you know is here
 * What lets verbs pass goes by that number as well: with an owner that comes, all others must meet again before their next
 * verb, and know whom to wait for. An epoch ends when the primary is not the one it was made on (another process, another history), or when someone knew
 * an epoch that is not there. A slot that moved to another node of a Cluster took everything along: its epoch goes on.
 *
 * A token is a number, a nonce and lines: the nonce of the loss that it came after, and with ~ between those of losses before
 * that. Who knows an epoch of this line has told all it knew of before, and this store has all it was told since. Who knows one
 * of a line that was lost (`parents`) comes late: its sums are of before, and are told while nobody else does anything. Where
 * one opened the store who knew nothing (`bare`), the first who comes with a line knows the one that was lost. Of anybody else
 * (two primaries went on side by side) the newest sum counts.
 */
export const meet = `${ground}${counters}${slotting}${shaping}
local me, knew, nonce, lease_ms, young_ms = A[2], A[3], A[4], tonumber(A[5]), tonumber(A[6])
local server, replication = call('INFO', 'server'), call('INFO', 'replication')
local node = ''
if string.find(server, '_mode:cluster') then node = call('CLUSTER', 'MYID') end
local here = string.match(server, 'run_id:(%x+)') .. ':' .. string.match(replication, 'master_replid:(%x+)') .. ':' .. node
local p = call('HMGET', K[1], 'at', 'number', 'token', 'state', 'came', 'bare', 'begun', 'line', 'late', 'lossy', 'chain')
local at, number, token, state, came = p[1], tonumber(p[2] or '0'), p[3], p[4], tonumber(p[5] or '0')
local line, late, lossy, chain = p[8], p[9] == '1', p[10] == '1', p[11] or p[8]
local lines = {}
for one in string.gmatch(string.match(knew, '^[^.]*%.[^.]*%.(.*)$') or knew, '[^~]+') do lines[#lines + 1] = one end
local function isLate()
  if now - (p[7] or '0') >= ${late_ms} then return false end
  for _, one in ipairs(lines) do
    if one == line then return false end
    if call('SISMEMBER', base .. 'parents', one) == 1 then return true end
  end
  return p[6] == '1'
end
local function missed() call('SADD', base .. 'parents', unpack(lines)) end
local kind = node == '' and '1' or 'c'
local function moved()
  local from = string.match(at, ':([^:]+)$')
  if node == '' or not from or from == node then return false end
  for line in string.gmatch(call('CLUSTER', 'NODES'), '[^\\n]+') do
    local id, flags = string.match(line, '^(%x+) %S+ (%S+)')
    if id == from then return string.find(flags, 'master') and not string.find(flags, 'fail') end
  end
  return false
end
local function begin(fenced, intact)
  late = intact and isLate()
  local begins = {}
  if late then
    for _, key in ipairs(call('SMEMBERS', base .. 'counters')) do
      local c = shaped(key)
      begins[#begins + 1], begins[#begins + 2] = key, text(c.spent) .. ' ' .. text(c.resets)
    end
  end
  if token then
    call('DEL', base .. 'epoch:' .. token, base .. 'epoch:' .. token .. ':' .. came, base .. 'fence:' .. token)
  end
  if not intact then line, chain = nonce, table.concat({nonce, unpack(lines, 1, ${lines_max - 1})}, '~') end
  token = text(number + 1) .. '.' .. nonce .. '.' .. (chain or nonce)
  state = fenced and 'fenced' or 'open'
  call('HSET', K[1], 'at', here, 'number', number + 1, 'token', token, 'state', state, 'until', now + lease_ms,
    'late', late and 1 or 0, 'line', line or nonce, 'chain', chain or nonce)
  call('DEL', base .. 'asserted', base .. 'telling', base .. 'again', base .. 'again:sums', base .. 'begins')
  if late then
    call('HSET', K[1], 'lossy', 1, 'bare', 0)
    missed()
    spread('HSET', base .. 'begins', begins)
  elseif intact then
    lossy = false
    call('DEL', base .. 'floors:now', base .. 'added:now', base .. 'zeroed:now')
    call('HSET', K[1], 'lossy', 0)
  else
    lossy = true
    call('DEL', base .. 'floors', base .. 'added', base .. 'zeroed', base .. 'lost', base .. 'parents')
    call('HSET', K[1], 'lossy', 1, 'begun', now, 'bare', fenced and 0 or 1)
  end
  call('SET', base .. (fenced and 'fence:' or 'epoch:') .. token, kind)
end
if not at then
  local up_ms = tonumber(string.match(server, 'uptime_in_seconds:(%d+)')) * 1000
  if knew == '' and up_ms < young_ms then return {2, now, '', 0} end
  begin(knew ~= '')
elseif at ~= here then
  if moved() then call('HSET', K[1], 'at', here) else begin(true) end
elseif state == 'open' and knew ~= '' and knew ~= token and lines[1] ~= line then
  begin(true, true)
elseif call('EXISTS', base .. (state == 'open' and 'epoch:' or 'fence:') .. token) == 0 then
  begin(true)
end
-- what somebody tells who knows of no loss of this line is not of before it: who comes late waits until that was told
if state == 'fenced' and not lossy and knew ~= '' and lines[1] ~= line and isLate() then
  call('ZREM', base .. 'owners', me)
  return {2, now, '', 0}
end
local permit = base .. 'epoch:' .. token .. ':'
local stands = call('EXISTS', permit .. came) == 1
local comes = call('ZADD', base .. 'owners', now, me)
-- a store that has lost nothing knows them, and that some are gone
if knew ~= token then
  for place = 7, #A do comes = comes + call('ZADD', base .. 'owners', 'NX', now, A[place]) end
end
if state == 'open' then call('ZREMRANGEBYSCORE', base .. 'owners', '-inf', '(' .. text(now - ${absent_ms})) end
if comes > 0 then
  if stands then call('DEL', permit .. came) end
  came, stands = came + 1, false
  call('HSET', K[1], 'came', came)
end
if state == 'open' and not stands then call('SET', permit .. came, kind) end
local reply = {state == 'open' and 0 or (late and lines[1] == line and 3 or 1), now, token, came}
if late and reply[1] == 1 then call('SADD', base .. 'telling', me) end
if lossy and not late and reply[1] == 1 and knew ~= '' and lines[1] ~= line then missed() end
for _, owner in ipairs(call('ZRANGE', base .. 'owners', 0, 199)) do reply[#reply + 1] = owner end
return reply
`;

/**
 * An owner has told everything. KEYS: primary. ARGV: base, owner, the epoch. The last one, or time, opens the epoch.
 * Answer: 0 open, 1 fenced and how many are waited for, 2 another epoch has begun; the server's time.
 */
export const done = `${books}${floors}
local p = call('HMGET', K[1], 'token', 'state', 'until', 'late', 'lossy')
if p[1] ~= A[3] then return {2, now} end
if p[2] == 'fenced' then
  local late, missing = p[4] == '1', {}
  call('SADD', base .. 'asserted', A[2])
  for _, owner in ipairs(late and call('SMEMBERS', base .. 'telling') or call('ZRANGE', base .. 'owners', 0, -1)) do
    if call('SISMEMBER', base .. 'asserted', owner) == 0 then missing[#missing + 1] = owner end
  end
  if #missing > 0 and now < tonumber(p[3]) then return {1, now, #missing} end
  for _, owner in ipairs(missing) do call('ZREM', base .. 'owners', owner) end
  local kind = call('GET', base .. 'fence:' .. p[1])
  raiseAll(late, p[5] == '1')
  writeCounters()
  writeEntries()
  -- who has not told all tells it once more, and what was told is not what this store had
  for owner, one in pairs(hashed('had')) do
    if call('SISMEMBER', base .. 'asserted', match(one, ' (.*)$')) == 1 then call('HDEL', base .. 'had', owner) end
  end
  call('DEL', base .. 'asserted', base .. 'telling', base .. 'fence:' .. p[1])
  call('HSET', K[1], 'state', 'open', 'lossy', 0, 'bare', 0, 'late', 0)
  call('SET', base .. 'epoch:' .. p[1], kind or '1')
end
return {0, now}
`;

/** KEYS[1]: owners. ARGV: base, owner. */
export const leave = `${ground}
return call('ZREM', K[1], A[2])
`;
