/**
 * Sliding windows: a hash of `n` slots in a ring (fields 0, 1, ...), their sum `used`, the newest slot looked at `head`,
 * and the newest added to `last`. The counting is the embedded ledger's, slot for slot. Seats: a sorted set of who is
 * under way, by when its lease ends. Both are read once and written once a script.
 */
export const rates = `
local windows, chairs = {}, {}
local function window(key, ms, n)
  local w = windows[key]
  if w then return w end
  local slot = floor(now / ms)
  local v = call('HMGET', base .. key, 'used', 'head', 'last', slot % n)
  local head = tonumber(v[2] or '0')
  w = {key = key, ms = ms, n = n, used = tonumber(v[1] or '0'), last = tonumber(v[3] or '0'), slots = {}, changed = {}, gone = {}}
  windows[key] = w
  if head - slot >= n then
    -- the clock had been ahead by more than the window: what counts there counts as of now, or it would for all that time
    w.slot, w.last, w.over, w.fresh, w.touched = slot, slot, true, true, true
    w.slots[slot % n], w.changed[slot % n] = w.used, true
    return w
  end
  w.fresh = slot > head
  w.slot = max(slot, head)
  if slot == head then
    w.slots[slot % n] = tonumber(v[4] or '0')
  elseif slot - head >= n then
    w.over, w.used = v[2] and true, 0
  elseif slot > head and w.used > 0 then
    for at = head + 1, slot do w.gone[#w.gone + 1] = at % n end
    for at, old in ipairs(call('HMGET', base .. key, unpack(w.gone))) do
      w.used = w.used - tonumber(old or '0')
      w.slots[w.gone[at]] = 0
    end
  end
  return w
end
local function slotted(w, place)
  local amount = w.slots[place]
  if not amount then
    amount = w.over and 0 or tonumber(call('HGET', base .. w.key, place) or '0')
    w.slots[place] = amount
  end
  return amount
end
local function change(w, slot, amount)
  local place = slot % w.n
  local before = slotted(w, place)
  local after = max(0, before + amount)
  w.slots[place], w.changed[place] = after, true
  w.used, w.touched = w.used + after - before, true
  if slot == w.slot then w.last = slot end
end
local function lives(w, slot) return slot > w.slot - w.n and slot <= w.slot end
local function reset(w)
  if w.used == 0 then return 0 end
  return max(0, (w.last + w.n) * w.ms - now)
end
-- what goes first until the excess has gone: of each part its amount and in how many ms
local function fades(w, excess)
  local parts, freed = {}, 0
  for slot = w.slot - w.n + 1, w.slot do
    local amount = slotted(w, slot % w.n)
    if amount > 0 then
      freed = freed + amount
      parts[#parts + 1], parts[#parts + 2] = amount, (slot + w.n) * w.ms - now
      if freed >= excess then break end
    end
  end
  return parts, freed
end
local function retry(w, excess)
  local parts, freed = fades(w, excess)
  return freed >= excess and parts[#parts] or (w.n - 1) * w.ms
end
local function sizeOf(unit, tokens, input)
  if unit == 't' then return tokens end
  if unit == 'i' then return input end
  if unit == 'o' then return tokens - input end
  return 1
end
local function seats(key)
  local s = chairs[key]
  if not s then
    s = {key = key, taken = call('ZCOUNT', base .. key, '(' .. text(now), '+inf'), moved = {}}
    chairs[key] = s
  end
  return s
end
local function move(key, moved)
  local come, go, last, word = {}, {}
  for id, expires in pairs(moved) do
    if expires then
      if expires ~= last then last, word = expires, text(expires) end
      come[#come + 1] = word
      come[#come + 1] = id
    else
      go[#go + 1] = id
    end
  end
  spread('ZADD', base .. key, come)
  spread('ZREM', base .. key, go)
end
local function writeRates()
  for key, w in pairs(windows) do
    if w.touched then
      local place = base .. key
      if w.over then call('DEL', place) end
      if #w.gone > 0 then call('HDEL', place, unpack(w.gone)) end
      local f = {'HSET', place, 'used', w.used, 'head', w.slot, 'last', w.last}
      for at in pairs(w.changed) do
        f[#f + 1] = at
        f[#f + 1] = w.slots[at]
      end
      call(unpack(f))
      if w.fresh then call('PEXPIRE', place, w.n * w.ms * 2) end
    end
  end
  for key, s in pairs(chairs) do move(key, s.moved) end
end
`;
