/**
 * What every script starts with: the server's clock, numbers as text that is exact to 2^53, and the counters' shapes.
 * A number given to redis.call is written with %.17g, which is %.0f for every integer a sum may be, and cheaper than
 * formatting it first.
 * KEYS[1] is the hold; ARGV[1] is what comes before every key of the organisation. Keys a hold names are reached
 * through it: they share the hash tag, so they share the slot.
 *
 * A hold: state ('o' open, 'p' settled by the reaper), owner, nusd, tokens, expires, nonce,
 *   {key, unit, ...} of budgets, {key, unit, slot, amount, slot_ms, count, limit, ...} of windows,
 *   {key, limit, ...} of seats.
 * A settled one is the word 's' until it is forgotten.
 */
export const ground = `
local call, K, A = redis.call, KEYS, ARGV
local base = A[1]
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local exact = 9007199254740991
local function text(n) return string.format('%.0f', n) end
-- ioredis 6.0.0 rounds integers above 2^52 when it reads them (9007199254740991 becomes ...992): those go as text
local function plain(reply)
  for at = 1, #reply do
    local n = reply[at]
    if type(n) == 'number' and n > 4503599627370495 then reply[at] = text(n) end
  end
  return reply
end
local function sum(a, b)
  local s = a + b
  if s > exact then return exact end
  if s < 0 then return 0 end
  return s
end
local function size(unit, nusd, tokens)
  if unit == 'n' then return nusd end
  if unit == 't' then return tokens end
  return 1
end
local function find(key)
  local packed = call('GET', key)
  if not packed then return nil end
  if packed == 's' then return 's' end
  return cmsgpack.unpack(packed)
end
`;

/**
 * Sliding windows: a hash of `count` slots in a ring (fields 0, 1, ...), their sum `used`, the newest slot looked at
 * `head`, and the newest added to `last`. The counting is the embedded ledger's, slot for slot.
 */
export const windows = `
local function window(key, slot_ms, count)
  local slot = math.floor(now / slot_ms)
  local v = call('HMGET', key, 'used', 'head', 'last', slot % count)
  local w = {key = key, used = tonumber(v[1] or '0'), slot = slot, count = count, ms = slot_ms,
             last = tonumber(v[3] or '0'), here = 0}
  local head = tonumber(v[2] or '0')
  if slot == head then
    w.here = tonumber(v[4] or '0')
  elseif slot < head then
    w.slot = head
    w.here = tonumber(call('HGET', key, head % count) or '0')
  elseif slot - head >= count then
    if v[2] then call('DEL', key) end
    w.used = 0
  elseif w.used > 0 then
    local names, freed = {}, 0
    for at = head + 1, slot do names[#names + 1] = at % count end
    for _, old in ipairs(call('HMGET', key, unpack(names))) do freed = freed + tonumber(old or '0') end
    if freed > 0 then
      call('HDEL', key, unpack(names))
      w.used = w.used - freed
      call('HSET', key, 'used', w.used, 'head', slot)
    end
  end
  w.fresh = slot > head
  return w
end
local function add(w, amount)
  local here = math.max(0, w.here + amount)
  w.used = w.used + here - w.here
  w.here = here
  w.last = w.slot
  call('HSET', w.key, 'used', w.used, 'head', w.slot, 'last', w.slot, w.slot % w.count, here)
  if w.fresh then
    call('PEXPIRE', w.key, w.count * w.ms * 2)
    w.fresh = false
  end
end
local function lives(w, slot) return slot > w.slot - w.count and slot <= w.slot end
local function change(w, slot, amount)
  if slot == w.slot then
    add(w, amount)
    return
  end
  local field = slot % w.count
  local before = tonumber(call('HGET', w.key, field) or '0')
  local after = math.max(0, before + amount)
  w.used = w.used + after - before
  call('HSET', w.key, field, after, 'used', w.used)
end
local function reset(w)
  if w.used == 0 then return 0 end
  return math.max(0, (w.last + w.count) * w.ms - now)
end
local function retry(w, excess)
  local names, freed = {}, 0
  for slot = w.slot - w.count + 1, w.slot do names[#names + 1] = slot % w.count end
  for at, old in ipairs(call('HMGET', w.key, unpack(names))) do
    freed = freed + tonumber(old or '0')
    if freed >= excess then return (w.slot + at) * w.ms - now end
  end
  return (w.count - 1) * w.ms
end
`;

/** Puts a sum and its reading for people into a budget's hash. */
export const counting = `
local function put(key, unit, spent, held, requests, tokens)
  if unit == 'n' then
    call('HSET', key, 'spent', spent, 'held', held, 'requests', requests, 'tokens', tokens,
      'spent_usd', string.format('%.9f', spent / 1e9))
  else
    call('HSET', key, 'spent', spent, 'held', held, 'requests', requests, 'tokens', tokens)
  end
end
local function entry(id, kind, nusd, tokens, estimated, prior, budgets)
  local keys = {}
  for at = 1, #budgets, 2 do keys[#keys + 1] = budgets[at] end
  call('XADD', base .. 'entries', '*', 'id', id, 'kind', kind, 'nusd', nusd, 'tokens', tokens,
    'estimated', estimated, 'prior', prior, 'budgets', table.concat(keys, ' '))
end
local function spend(id, key, hold, nusd, tokens, estimated, provisional, keep, brief)
  local was = hold[1] == 'p'
  local states = {}
  local budgets = hold[7]
  for at = 1, #budgets, 2 do
    local unit, counter = budgets[at + 1], base .. budgets[at]
    local v = brief and call('HMGET', counter, 'spent', 'held', 'requests', 'tokens')
      or call('HMGET', counter, 'spent', 'held', 'requests', 'tokens', 'limit', 'hard')
    if v[1] then
      local before, after = size(unit, hold[3], hold[4]), size(unit, nusd, tokens)
      local spent, held, requests, used = tonumber(v[1]), tonumber(v[2]), tonumber(v[3]), tonumber(v[4])
      if was then
        spent = sum(spent, after - before)
        used = sum(used, tokens - hold[4])
      else
        held = sum(held, -before)
        spent = sum(spent, after)
        used = sum(used, tokens)
        requests = requests + 1
      end
      put(counter, unit, spent, held, requests, used)
      local n = #states
      states[n + 1], states[n + 2], states[n + 3] = budgets[at], spent, held
      if not brief then states[n + 4], states[n + 5] = tonumber(v[5] or '0'), v[6] or '0' end
    end
  end
  local delta, rings = tokens - hold[4], hold[8]
  if delta ~= 0 then
    for at = 1, #rings, 7 do
      if rings[at + 1] == 't' then
        local w = window(base .. rings[at], rings[at + 4], rings[at + 5])
        if lives(w, rings[at + 2]) then
          local after = math.max(0, rings[at + 3] + delta)
          change(w, rings[at + 2], after - rings[at + 3])
          rings[at + 3] = after
        elseif delta > 0 then
          add(w, delta)
          rings[at + 2], rings[at + 3] = w.slot, delta
        end
      end
    end
  end
  if not was then
    for at = 1, #hold[9], 2 do call('ZREM', base .. hold[9][at], id) end
    call('ZREM', base .. 'leases', id)
  end
  entry(id, provisional and 'provisional' or 'settled', nusd, tokens, estimated,
    was and (text(hold[3]) .. ':' .. text(hold[4])) or '', budgets)
  if provisional then
    hold[1], hold[3], hold[4] = 'p', nusd, tokens
    call('SET', key, cmsgpack.pack(hold), 'PX', keep)
  else
    call('SET', key, 's', 'PX', keep)
  end
  return states
end
`;
