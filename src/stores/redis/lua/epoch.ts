import { counters, shaping, slotting } from './counters.ts';
import { gate, ground } from './ground.ts';
import { books } from './turn.ts';
import { folding } from './upkeep.ts';

/** How long an owner that was not heard of counts as one: longer than any pause of a process that lives. */
const absent_ms = 60_000;
/** How long what was told of a loss is kept, for those who come late, and until when those are expected. */
const lost_ms = 7 * 86_400_000;
const late_ms = 6 * 86_400_000;
/** Losses, one after the other, that an epoch tells of. */
const lines_max = 8;

/**
 * Raises counters to the newest sums owners had been told before the loss and what each of them settled after that, and says
 * so in the sums that stand for history. What was told one by one is part of those sums, and what has been spent since Redis
 * was opened is not: of every counter `lost` keeps how much of before was told one by one, and how much stands in it, so that
 * sums which come late raise it by what they add to that, whatever was spent meanwhile.
 */
const floors = `${folding}${shaping}
local function hashed(name)
  local all, list = call('HGETALL', base .. name), {}
  for at = 1, #all, 2 do list[all[at]] = all[at + 1] end
  return list
end
local function forgiven(estimates, resets)
  local amount = 0
  for _, one in ipairs(estimates or {}) do
    if one[1] < resets then amount = amount + one[2] end
  end
  return amount
end
local function raise(key, floor, settled, was, began, estimates)
  local before, expires, limit, hard, resets = 0, 0
  if floor then
    local at, spent, most, isHard, ends, told = match(floor, '^(%d+) (%d+) %a (%d+) (%d) (%d+) (%-?%d+)$')
    at, before, expires, resets = tonumber(at), tonumber(spent), tonumber(ends), tonumber(told)
    limit, hard = tonumber(most), isHard == '1'
    for _, one in ipairs(settled) do
      if one[1] >= at then before = before + one[2] end
    end
    if expires ~= 0 and expires <= now then return end
  end
  local c = shaped(key, expires)
  local stood, reached = match(was or '0 0', '^(%-?%d+) (%-?%d+)$')
  local one_by_one = c.spent - began
  -- estimates of before a counter was set to zero are in no sum of after that
  stood = stood + one_by_one - forgiven(estimates, max(resets or 0, c.resets))
  local missing = max(stood, before) - reached - one_by_one
  -- where it was in a sum already, that is not counted twice; of a window that rolls nobody knows which part of the sum
  if missing < 0 then missing = c.ms and 0 or max(missing, -max(0, one_by_one)) end
  if missing ~= 0 then
    create(c)
    if c.made then govern(c, limit, hard) end
    count(c, missing, 0, 0, c.slot)
    if c.ms then addSlots(key, c.slot * c.ms, missing, 0, 0, c.slot * c.ms) else addSums(key, missing, 0, 0) end
    call('HINCRBY', folded, 'generation', 1)
  end
  if not c.alive then return end
  -- an estimate of before the newest sum counts where the counter was not set to zero since, as far as that is known
  if resets and resets < 0 and call('SISMEMBER', base .. 'again', key) == 1 then resets = c.resets + 1 end
  if resets and resets > c.resets then c.resets, c.cleared, c.touched = resets, true, true end
  return text(stood) .. ' ' .. text(reached + one_by_one + missing)
end
local function raiseAll(late, lossy)
  local kept = lossy and '' or ':now'
  local settled, list, words = {}, hashed('floors' .. kept), {}
  for _, one in pairs(hashed('added' .. kept)) do
    local key, ms, more = match(one, '^(.*) (%d+) (%d+)$')
    settled[key] = settled[key] or {}
    table.insert(settled[key], {tonumber(ms), tonumber(more)})
  end
  local estimates = {}
  for name, amount in pairs(hashed('again:sums')) do
    local key, resets = match(name, '^(.*) (%d+)$')
    estimates[key] = estimates[key] or {}
    table.insert(estimates[key], {tonumber(resets), tonumber(amount)})
  end
  local lost, begins = late and hashed('lost') or {}, late and hashed('begins') or {}
  local function note(key, word)
    if word then words[#words + 1], words[#words + 2] = key, word end
  end
  local function began(key) return tonumber(begins[key] or '0') end
  for key, floor in pairs(list) do note(key, raise(key, floor, settled[key] or {}, lost[key], began(key), estimates[key])) end
  for _, key in ipairs(call('SMEMBERS', base .. 'counters')) do
    if late and not list[key] then note(key, raise(key, nil, nil, lost[key], began(key), estimates[key])) end
    if not late and not list[key] then
      local spent = text(counted[key] and counted[key].spent or tonumber(call('HGET', base .. key, 'spent') or '0'))
      note(key, spent .. ' ' .. spent)
    end
  end
  call('DEL', base .. 'again', base .. 'again:sums', base .. 'begins')
  if not lossy then
    call('DEL', base .. 'floors:now', base .. 'added:now')
    return
  end
  spread('HSET', base .. 'lost', words)
  for _, name in ipairs({'floors', 'added', 'lost', 'parents'}) do call('PEXPIRE', base .. name, ${lost_ms}) end
end
`;

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
      begins[#begins + 1], begins[#begins + 2] = key, text(shaped(key).spent)
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
    call('DEL', base .. 'floors:now', base .. 'added:now')
    call('HSET', K[1], 'lossy', 0)
  else
    lossy = true
    call('DEL', base .. 'floors', base .. 'added', base .. 'lost', base .. 'parents')
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
 * Keeps the newest sum an owner was told of a counter by a store that has it all, and what each owner settled since it was
 * told. KEYS: floors, permit. ARGV: base, owner, then of each counter its key, when on the server's clock, spent, unit, limit, hard, expiry, how often it
 * was set to zero by then (-1: nobody knows), when the owner settled last, how much since it was told.
 */
export const tell = `${ground}${gate}
local kept = call('HGET', base .. 'primary', 'lossy') == '1' and '' or ':now'
local floors, added = K[1] .. kept, base .. 'added' .. kept
for at = 3, #A, 10 do
  local old = call('HGET', floors, A[at])
  local newer, spent = tonumber(A[at + 1]), tonumber(A[at + 2])
  if old and newer then
    local then_ms, told = string.match(old, '^(%d+) (%d+)')
    then_ms, told = tonumber(then_ms), tonumber(told)
    if newer < then_ms or (newer == then_ms and spent <= told) then newer = nil end
  end
  if newer then call('HSET', floors, A[at], table.concat(A, ' ', at + 1, at + 7)) end
  if A[at + 9] ~= '0' then
    call('HSET', added, A[2] .. ' ' .. A[at], A[at] .. ' ' .. A[at + 8] .. ' ' .. A[at + 9])
  end
end
return {0, now}
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
