import { gate, ground } from './ground.ts';
import { books } from './turn.ts';
import { folding } from './upkeep.ts';

/** How long an owner that was not heard of counts as one: longer than any pause of a process that lives. */
const absent_ms = 60_000;

/**
 * Raises counters to the newest sums owners had been told and what each of them settled after that, and says so in the sums
 * that stand for history.
 */
const floors = `${folding}
local function raise(key, floor, settled)
  local at, spent, unit, limit, hard, expires, resets = match(floor, '^(%d+) (%d+) (%a) (%d+) (%d) (%d+) (%-?%d+)$')
  at, spent, expires, resets = tonumber(at), tonumber(spent), tonumber(expires), tonumber(resets)
  for _, one in ipairs(settled) do
    if one[1] >= at then spent = spent + one[2] end
  end
  if expires ~= 0 and expires <= now then return end
  local ms, n
  if match(key, ':rolling:') then ms, n = slotting(key) end
  local c = counter(key, unit, expires, ms, n)
  local missing = spent - c.spent
  if missing > 0 then
    create(c)
    if c.made then govern(c, tonumber(limit), hard == '1') end
    count(c, missing, 0, 0, c.slot)
    if ms then addSlots(key, c.slot * ms, missing, 0, 0, c.slot * ms) else addSums(key, missing, 0, 0) end
    call('HINCRBY', folded, 'generation', 1)
  end
  if not c.alive then return end
  -- an estimate of before the newest sum counts where the counter was not set to zero since, as far as that is known
  if resets < 0 and call('SISMEMBER', base .. 'again', key) == 1 then resets = c.resets + 1 end
  if resets > c.resets then c.resets, c.cleared, c.touched = resets, true, true end
end
local function raiseAll()
  local all, settled = call('HGETALL', base .. 'added'), {}
  for at = 1, #all, 2 do
    local key, ms, sum = match(all[at + 1], '^(.*) (%d+) (%d+)$')
    settled[key] = settled[key] or {}
    table.insert(settled[key], {tonumber(ms), tonumber(sum)})
  end
  all = call('HGETALL', base .. 'floors')
  for at = 1, #all, 2 do raise(all[at], all[at + 1], settled[all[at]] or {}) end
  call('DEL', base .. 'floors', base .. 'added', base .. 'again')
end
`;

/**
 * Meets the primary. KEYS[1]: primary. ARGV: base, owner, the epoch it knew (or nothing), a nonce, lease_ms, young_ms,
 * then the owners it knew. Answer: a state, the server's time, the epoch, how many owners have come to it, and the owners.
 *   0  open   1  fenced: tell what you hold, then `done`   2  young: nothing is known here, and it may have been lost
 * What lets verbs pass goes by that number as well: with an owner that comes, all others must meet again before their next
 * verb, and know whom to wait for. An epoch ends when the primary is not the one it was made on (another process, another history), or when someone knew
 * an epoch that is not there. A slot that moved to another node of a Cluster took everything along: its epoch goes on.
 */
export const meet = `${ground}
local me, knew, nonce, lease_ms, young_ms = A[2], A[3], A[4], tonumber(A[5]), tonumber(A[6])
local server, replication = call('INFO', 'server'), call('INFO', 'replication')
local node = ''
if string.find(server, '_mode:cluster') then node = call('CLUSTER', 'MYID') end
local here = string.match(server, 'run_id:(%x+)') .. ':' .. string.match(replication, 'master_replid:(%x+)') .. ':' .. node
local p = call('HMGET', K[1], 'at', 'number', 'token', 'state', 'before', 'came', 'bare', 'begun')
local at, number, token, state, before, came = p[1], tonumber(p[2] or '0'), p[3], p[4], p[5], tonumber(p[6] or '0')
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
-- a store is bare that one opened who knew nothing: what was spent there is in no sum of before, and its sums are not the newest
local function fresh()
  local sums = {}
  for _, key in ipairs(call('SMEMBERS', base .. 'counters')) do
    local spent = tonumber(call('HGET', base .. key, 'spent') or '0')
    if spent > 0 then sums[#sums + 1], sums[#sums + 2] = 'fresh ' .. key, key .. ' 9007199254740991 ' .. text(spent) end
  end
  return sums
end
local function begin(fenced, intact)
  local bare = intact and p[7] == '1' and now - p[8] < ${absent_ms}
  local sums = bare and fresh() or {}
  if token then
    call('DEL', base .. 'epoch:' .. token, base .. 'epoch:' .. token .. ':' .. came, base .. 'fence:' .. token)
  end
  before = token or ''
  token = text(number + 1) .. '.' .. nonce
  state = fenced and 'fenced' or 'open'
  call('HSET', K[1], 'at', here, 'number', number + 1, 'token', token, 'state', state, 'before', before,
    'until', now + lease_ms)
  if not intact then call('HSET', K[1], 'lossy', 1, 'bare', fenced and 0 or 1, 'begun', now)
  elseif not bare then call('HSET', K[1], 'bare', 0) end
  call('DEL', base .. 'asserted', base .. 'floors', base .. 'added', base .. 'again')
  spread('HSET', base .. 'added', sums)
  call('SET', base .. (fenced and 'fence:' or 'epoch:') .. token, kind)
end
if not at then
  local up_ms = tonumber(string.match(server, 'uptime_in_seconds:(%d+)')) * 1000
  if knew == '' and up_ms < young_ms then return {2, now, '', 0} end
  begin(knew ~= '')
elseif at ~= here then
  if moved() then call('HSET', K[1], 'at', here) else begin(true) end
elseif state == 'open' and knew ~= '' and knew ~= token and knew ~= before then
  begin(true, true)
elseif call('EXISTS', base .. (state == 'open' and 'epoch:' or 'fence:') .. token) == 0 then
  begin(true)
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
local reply = {state == 'open' and 0 or 1, now, token, came}
for _, owner in ipairs(call('ZRANGE', base .. 'owners', 0, 199)) do reply[#reply + 1] = owner end
return reply
`;

/**
 * Keeps the newest sum an owner was told of a counter by a store that has it all, and what each owner settled since it was
 * told. KEYS: floors, permit. ARGV: base, owner, then of each counter its key, when on the server's clock, spent, unit, limit, hard, expiry, how often it
 * was set to zero by then (-1: nobody knows), when the owner settled last, how much since it was told.
 */
export const tell = `${ground}${gate}
local p = call('HMGET', base .. 'primary', 'bare', 'begun')
for at = 3, #A, 10 do
  local old = call('HGET', K[1], A[at])
  local newer, spent = tonumber(A[at + 1]), tonumber(A[at + 2])
  -- told by this store, which knows nothing of what was before
  if p[1] == '1' and newer >= tonumber(p[2]) then newer = nil end
  if old and newer then
    local then_ms, told = string.match(old, '^(%d+) (%d+)')
    then_ms, told = tonumber(then_ms), tonumber(told)
    if newer < then_ms or (newer == then_ms and spent <= told) then newer = nil end
  end
  if newer then call('HSET', K[1], A[at], table.concat(A, ' ', at + 1, at + 7)) end
  if A[at + 9] ~= '0' then
    call('HSET', base .. 'added', A[2] .. ' ' .. A[at], A[at] .. ' ' .. A[at + 8] .. ' ' .. A[at + 9])
  end
end
return {0, now}
`;

/**
 * An owner has told everything. KEYS: primary. ARGV: base, owner, the epoch. The last one, or time, opens the epoch.
 * Answer: 0 open, 1 fenced and how many are waited for, 2 another epoch has begun; the server's time.
 */
export const done = `${books}${floors}
local p = call('HMGET', K[1], 'token', 'state', 'until')
if p[1] ~= A[3] then return {2, now} end
if p[2] == 'fenced' then
  call('SADD', base .. 'asserted', A[2])
  local missing = {}
  for _, owner in ipairs(call('ZRANGE', base .. 'owners', 0, -1)) do
    if call('SISMEMBER', base .. 'asserted', owner) == 0 then missing[#missing + 1] = owner end
  end
  if #missing > 0 and now < tonumber(p[3]) then return {1, now, #missing} end
  for _, owner in ipairs(missing) do call('ZREM', base .. 'owners', owner) end
  local kind = call('GET', base .. 'fence:' .. p[1])
  raiseAll()
  writeCounters()
  call('DEL', base .. 'asserted', base .. 'fence:' .. p[1])
  call('HSET', K[1], 'state', 'open', 'lossy', 0, 'bare', 0)
  call('SET', base .. 'epoch:' .. p[1], kind or '1')
else
  raiseAll()
  writeCounters()
end
return {0, now}
`;

/** KEYS[1]: owners. ARGV: base, owner. */
export const leave = `${ground}
return call('ZREM', K[1], A[2])
`;
