import { shaping } from './counters.ts';
import { gate, ground } from './ground.ts';
import { folding } from './upkeep.ts';

/** How long what was told of a loss is kept, for those who come late. */
const lost_ms = 7 * 86_400_000;

/**
 * Raises counters to the newest sums owners had been told before the loss and what each of them settled after that, and says
 * so in the sums that stand for history. What was told one by one is part of those sums, and what has been spent since Redis
 * was opened is not: of every counter `lost` keeps how much of before was told one by one, and how much stands in it, so that
 * sums which come late raise it by what they add to that, whatever was spent meanwhile.
 *
 * Where people had set a counter to zero, only what was told of after that counts: where this store does not know, or has heard one
 * by one of what was before, it is set to zero once more, and the rest stands in an entry behind that.
 */
export const floors = `${folding}${shaping}
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
local function begin_anew(key, c, times, total)
  zero(c)
  c.resets = times
  entry('reset:' .. key, 'reset', 0, 0, 0, '0', '', key, '', c.ms and true)
  if total == 0 then return end
  count(c, total, 0, 0, c.slot)
  entry('told:' .. key, 'slice', 0, 0, 0, '0', '', key, '', c.ms and true)
  local e = entries[#entries]
  e[#e + 1], e[#e + 2] = 'moved', total
end
local function raise(key, floor, late, settled, was, begins, estimates, zeroed)
  local at, before, expires, limit, hard, resets = 0, 0, 0
  if floor then
    local told_at, spent, most, isHard, ends, told = match(floor, '^(%d+) (%d+) %a (%d+) (%d) (%d+) (%-?%d+)$')
    at, before, expires, resets = tonumber(told_at), tonumber(spent), tonumber(ends), tonumber(told)
    limit, hard = tonumber(most), isHard == '1'
    if expires ~= 0 and expires <= now then return end
  end
  local c = shaped(key, expires)
  local times, zeroed_at = match(zeroed or '', '^(%d+) (%d+)$')
  times, zeroed_at = tonumber(times), tonumber(zeroed_at)
  if times and zeroed_at > at then at, before = zeroed_at, 0 end
  for _, one in ipairs(settled or {}) do
    if one[1] >= at then before = before + one[2] end
  end
  local stood, reached, opened = match(was or '0 0 0', '^(%-?%d+) (%-?%d+) ?(%d*)$')
  local began, had = match(begins or '0 0', '^(%d+) (%d+)$')
  began, opened = tonumber(began), tonumber(opened)
  local one_by_one = c.spent - began
  -- it was set to zero since this store was opened: nothing that one tells of before counts
  if late and resets == -1 and opened and tonumber(had) > opened then
    if one_by_one ~= 0 then begin_anew(key, c, c.resets, began) end
    return was or '0 0 0'
  end
  if times and times > (resets or 0) and (late or times > c.resets) then
    local total = before + max(0, began - reached)
    if not c.alive and total == 0 then return end
    create(c)
    if c.made then govern(c, limit, hard) end
    if times > c.resets or total ~= c.spent then begin_anew(key, c, max(times, c.resets), total) end
    return text(before) .. ' ' .. text(before) .. ' ' .. text(c.resets)
  end
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
  return text(stood) .. ' ' .. text(reached + one_by_one + missing) .. ' ' .. text(c.resets)
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
  local lost, begins, zeroed = late and hashed('lost') or {}, late and hashed('begins') or {}, hashed('zeroed' .. kept)
  local function note(key, word)
    if word then words[#words + 1], words[#words + 2] = key, word end
  end
  local function raised_to(key, floor)
    note(key, raise(key, floor, late, settled[key], lost[key], begins[key], estimates[key], zeroed[key]))
  end
  for key, floor in pairs(list) do raised_to(key, floor) end
  for _, key in ipairs(call('SMEMBERS', base .. 'counters')) do
    if not list[key] and (late or zeroed[key]) then raised_to(key)
    elseif not list[key] then
      local c = shaped(key)
      note(key, text(c.spent) .. ' ' .. text(c.spent) .. ' ' .. text(c.resets))
    end
  end
  call('DEL', base .. 'again', base .. 'again:sums', base .. 'begins')
  if not lossy then
    call('DEL', base .. 'floors:now', base .. 'added:now', base .. 'zeroed:now')
    return
  end
  spread('HSET', base .. 'lost', words)
  for _, name in ipairs({'floors', 'added', 'zeroed', 'lost', 'parents'}) do call('PEXPIRE', base .. name, ${lost_ms}) end
end
`;

/**
 * Keeps the newest sum an owner was told of a counter by a store that has it all, and what each owner settled since it was
 * told. KEYS: floors, permit. ARGV: base, owner, then of each counter its key, when on the server's clock, spent, unit, limit, hard, expiry, how often it
 * was set to zero by then (-1: nobody knows), what the owner settled since it was told, `ms amount` of each part.
 */
export const tell = `${ground}${gate}
local kept = call('HGET', base .. 'primary', 'lossy') == '1' and '' or ':now'
local floors, added = K[1] .. kept, base .. 'added' .. kept
for at = 3, #A, 9 do
  local old = call('HGET', floors, A[at])
  local newer, spent = tonumber(A[at + 1]), tonumber(A[at + 2])
  if old and newer then
    local then_ms, told = string.match(old, '^(%d+) (%d+)')
    then_ms, told = tonumber(then_ms), tonumber(told)
    if newer < then_ms or (newer == then_ms and spent <= told) then newer = nil end
  end
  if newer then call('HSET', floors, A[at], table.concat(A, ' ', at + 1, at + 7)) end
  local part = 0
  for word in string.gmatch(A[at + 8], '%d+ %d+') do
    part = part + 1
    call('HSET', added, A[2] .. ' ' .. A[at] .. ' ' .. part, A[at] .. ' ' .. word)
  end
end
return {0, now}
`;

/**
 * Keeps how often people had set counters to zero, and when last. KEYS: zeroed, permit. ARGV: base, then of each counter its key,
 * how often, when on the server's clock.
 */
export const zeroed = `${ground}${gate}
local key = K[1] .. (call('HGET', base .. 'primary', 'lossy') == '1' and '' or ':now')
for at = 2, #A, 3 do
  local known = match(call('HGET', key, A[at]) or '0', '^%d+')
  if tonumber(A[at + 1]) > tonumber(known) then call('HSET', key, A[at], A[at + 1] .. ' ' .. A[at + 2]) end
end
return {0, now}
`;
