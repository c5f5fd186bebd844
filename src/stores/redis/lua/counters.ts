/**
 * Budgets' counters, each read once and written once a script. Between, they are tables:
 *   key, unit, alive (it is there, or was made here), spent, held, leased, requests, tokens, limit, hard, resets
 * and where the window rolls: ms and n (its slots), slot (the newest), last (the newest with spending).
 * What workers have taken out in slices counts as held, and is told by itself as leased.
 * `counter(key, unit, expires, ms, n)` reads one, `taken(c)` is what no one else may have, `hold(c, difference)` and
 * `count(c, spent, tokens, requests, slot)` and `zero(c)` change one, `govern` tells its limit, `writeCounters()` writes what changed.
 * A slot of a rolling window is a field of its number in the ring: `spent requests tokens`.
 */
export const counters = `
local counted, ordered = {}, {}
local function age(c, ms, n)
  local v = call('HMGET', base .. c.key, 'head', 'last')
  local slot = floor(tick() / ms)
  local head = tonumber(v[1] or slot)
  c.ms, c.n, c.last, c.slots, c.changed, c.gone = ms, n, tonumber(v[2] or '0'), {}, {}, {}
  if slot < head then slot = head end
  c.slot, c.fresh = slot, slot > head or not v[1]
  if slot == head or c.spent + c.requests + c.tokens == 0 then return end
  for at = max(head + 1, slot - n + 1), slot do c.gone[#c.gone + 1] = at % n end
  for at, old in ipairs(call('HMGET', base .. c.key, unpack(c.gone))) do
    local spent, requests, tokens = match(old or '0 0 0', '(%d+) (%d+) (%d+)')
    c.spent, c.requests, c.tokens = c.spent - spent, c.requests - requests, c.tokens - tokens
    c.slots[c.gone[at]] = {0, 0, 0}
  end
end
local function counter(key, unit, expires, ms, n)
  local c = counted[key]
  if c then return c end
  local v = call('HMGET', base .. key, 'spent', 'held', 'requests', 'tokens', 'limit', 'hard', 'leased', 'resets')
  c = {key = key, unit = unit, expires = expires, alive = v[1] and true, spent = tonumber(v[1] or '0'),
    held = tonumber(v[2] or '0'), requests = tonumber(v[3] or '0'), tokens = tonumber(v[4] or '0'),
    limit = tonumber(v[5] or '-1'), hard = v[6] == '1', leased = tonumber(v[7] or '0'), resets = tonumber(v[8] or '0')}
  if ms and ms > 0 then age(c, ms, n) end
  counted[key] = c
  ordered[#ordered + 1] = c
  return c
end
local function taken(c) return c.spent + c.held end
local function create(c)
  if c.alive then return end
  c.alive, c.made, c.touched, c.spends = true, true, true, true
end
local function hold(c, difference)
  c.held, c.touched = sum(c.held, difference), true
end
local function put(c, slots, at, total, delta)
  local before = slots[at]
  local after = math.min(max(0, before + delta), before + exact - total)
  slots[at] = after
  return total + after - before
end
local function count(c, spent, tokens, requests, slot)
  c.touched, c.spends = true, true
  if not c.ms then
    local s, t = c.spent + spent, c.tokens + tokens
    if s < 0 or s > exact then s = sum(s, 0) end
    if t < 0 or t > exact then t = sum(t, 0) end
    c.spent, c.tokens, c.requests = s, t, c.requests + requests
    return
  end
  local place = slot % c.n
  local s = c.slots[place]
  if not s then
    local a, b, d = match(call('HGET', base .. c.key, place) or '0 0 0', '(%d+) (%d+) (%d+)')
    s = {tonumber(a), tonumber(b), tonumber(d)}
    c.slots[place] = s
  end
  c.spent, c.requests, c.tokens = put(c, s, 1, c.spent, spent), put(c, s, 2, c.requests, requests), put(c, s, 3, c.tokens, tokens)
  c.changed[place] = s
  if spent > 0 and slot > c.last then c.last = slot end
end
local function counts(c, at) return not c.ms or (floor(at / c.ms) > c.slot - c.n and floor(at / c.ms) <= c.slot) end
local function slotOf(c, at) return c.ms and floor(at / c.ms) end
local function empties(c) return (c.spent > 0 and (c.last + c.n) * c.ms or ticks) - (ticks - now) end
local function govern(c, limit, hard)
  if c.limit ~= limit or c.hard ~= hard then c.limit, c.hard, c.governed, c.touched = limit, hard, true, true end
end
-- nothing is spent any more; what is held stays
local function zero(c)
  c.spent, c.requests, c.tokens, c.touched, c.spends, c.cleared = 0, 0, 0, true, true, true
  if c.ms then
    for at = 0, c.n - 1 do c.slots[at], c.gone[at + 1] = {0, 0, 0}, at end
    c.changed, c.last = {}, 0
  end
end
local function writeCounters()
  for _, c in ipairs(ordered) do
    if c.touched and c.alive then
      local key = base .. c.key
      local f = {'HSET', key, 'held', c.held}
      local at = 5
      if c.spends then
        f[5], f[6], f[7], f[8], f[9], f[10] = 'spent', c.spent, 'requests', c.requests, 'tokens', c.tokens
        at = 11
        if c.unit == 'n' then
          f[11], f[12] = 'spent_usd', format('%.9f', c.spent / 1e9)
          at = 13
        end
      end
      if c.governed then
        f[at], f[at + 1], f[at + 2], f[at + 3] = 'limit', c.limit, 'hard', c.hard and '1' or '0'
        at = at + 4
      end
      if c.leases then
        f[at], f[at + 1] = 'leased', c.leased
        at = at + 2
      end
      if c.cleared then
        f[at], f[at + 1] = 'resets', c.resets
        at = at + 2
      end
      if c.ms then
        if #c.gone > 0 then call('HDEL', key, unpack(c.gone)) end
        f[at], f[at + 1], f[at + 2], f[at + 3], f[at + 4], f[at + 5] = 'head', c.slot, 'last', c.last, 'spent', c.spent
        f[at + 6], f[at + 7], f[at + 8], f[at + 9] = 'requests', c.requests, 'tokens', c.tokens
        at = at + 10
        for place, s in pairs(c.changed) do
          f[at], f[at + 1] = place, text(s[1]) .. ' ' .. text(s[2]) .. ' ' .. text(s[3])
          at = at + 2
        end
      end
      call(unpack(f))
      if c.made then
        call('SADD', base .. 'counters', c.key)
        if not c.ms and c.expires ~= 0 then call('PEXPIREAT', key, c.expires) end
      end
      if c.ms and c.fresh then call('PEXPIRE', key, c.n * c.ms + 86400000) end
    end
  end
  if ticks and ticks > ticked then call('SET', base .. 'clock', ticks) end
  if behind then call('SET', base .. 'clock:was', now) end
end
`;

/** How long a slot of a rolling window is, and how many there are, by the counter's key. */
export const slotting = `
local function slotting(key)
  local length = tonumber(match(key, ':rolling:(%d+)s')) * 1000
  local ms = max(1, math.ceil(length / 60))
  return ms, math.ceil(length / ms) + 1
end
`;

/** A counter by its key alone; needs `counters` and `slotting`. */
export const shaping = `
local function shaped(key, expires)
  local unit = match(key, ':tokens$') and 't' or match(key, ':requests$') and 'r' or 'n'
  if match(key, ':rolling:') then return counter(key, unit, expires or 0, slotting(key)) end
  return counter(key, unit, expires or 0)
end
`;
