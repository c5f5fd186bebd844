/**
 * Holds and the plans they name. A plan is a text that its asker wrote, and every hold under it keeps it:
 *   [from_ms, to_ms, [[key, unit, hard, limit, expires_ms, slot_ms, slots], ...], [[key, unit, limit, slot_ms, slots], ...]]
 * with budgets and rates (units: n nano-dollars, t tokens, r requests, i input, o output, c at once).
 *
 * A hold is a list, packed:
 *   2 (this form), state ('o' open, 'p' settled by the reaper), owner, nusd, tokens, input, expires, nonce, labels,
 *   plans' texts, {slot, amount, ...} of rates, and of an estimate: when it was counted, its counters' resets then.
 * A settled one is the word 's' until it is forgotten.
 */
export const holds = `
local STATE, OWNER, NUSD, TOKENS, INPUT, EXPIRES, NONCE, LABELS, PLANS, SHARES, AT, RESETS = 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
local plans, shapes, held, kept, leases = {}, {}, {}, {}, {}
local function planOf(source)
  local plan = plans[source]
  if plan then return plan end
  local p = cjson.decode(source)
  plan = {source = source, from = p[1], to = p[2], budgets = {}, rates = {}}
  for at, b in ipairs(p[3]) do
    plan.budgets[at] = {key = b[1], unit = b[2], hard = b[3] == 1, limit = b[4], expires = b[5], ms = b[6], n = b[7]}
  end
  for at, r in ipairs(p[4]) do plan.rates[at] = {key = r[1], unit = r[2], limit = r[3], ms = r[4], n = r[5]} end
  plans[source] = plan
  return plan
end
local function counterOf(b)
  local c = b.counter
  if not c then
    c = counter(b.key, b.unit, b.expires, b.ms, b.n)
    b.counter = c
  end
  return c
end
-- every counter and rate of a hold once, in the order they joined
local function shapeOf(sources)
  local name = sources[2] and table.concat(sources, ' ') or sources[1]
  local shape = shapes[name]
  if shape then return shape end
  shape = {budgets = {}, rates = {}}
  local seen, keys = {}, {}
  for _, source in ipairs(sources) do
    local plan = planOf(source)
    for _, b in ipairs(plan.budgets) do
      if not seen[b.key] then
        seen[b.key] = true
        shape.budgets[#shape.budgets + 1] = b
        keys[#keys + 1] = b.key
        shape.rolls = shape.rolls or b.ms > 0
      end
    end
    for _, r in ipairs(plan.rates) do
      if not seen[r.key] then
        seen[r.key] = true
        shape.rates[#shape.rates + 1] = r
      end
    end
  end
  shape.keys = table.concat(keys, ' ')
  shapes[name] = shape
  return shape
end
local function unpacked(packed)
  if not packed then return false end
  if packed == 's' then return 's' end
  local h = cmsgpack.unpack(packed)
  if h[1] ~= 2 then error('a hold is of a form this program does not know: another version writes to this Redis') end
  return h
end
local function fetch(ids)
  local keys, unknown = {}, {}
  for _, id in ipairs(ids) do
    if held[id] == nil then
      keys[#keys + 1], unknown[#unknown + 1] = base .. 'hold:' .. id, id
    end
  end
  if #keys == 0 then return end
  for at, packed in ipairs(call('MGET', unpack(keys))) do held[unknown[at]] = unpacked(packed) end
end
local function find(id)
  local h = held[id]
  if h == nil then
    h = unpacked(call('GET', base .. 'hold:' .. id))
    held[id] = h
  end
  return h
end
-- keep_ms: 0 for ever
local function keep(id, h, keep_ms)
  held[id], kept[id] = h, keep_ms
end
local function writeHolds()
  local gone, open = {}, {}
  for id, keep_ms in pairs(kept) do
    local h, key = held[id], base .. 'hold:' .. id
    if not h then
      gone[#gone + 1] = key
    elseif keep_ms == 0 then
      open[#open + 1] = key
      open[#open + 1] = cmsgpack.pack(h)
    else
      call('SET', key, h == 's' and 's' or cmsgpack.pack(h), 'PX', keep_ms)
    end
  end
  if #gone > 0 then call('DEL', unpack(gone)) end
  if #open > 0 then call('MSET', unpack(open)) end
  move('leases', leases)
end
local entries = {}
local function entry(id, kind, nusd, tokens, input, estimated, prior, budgets, labels, rolls)
  local e = {'XADD', base .. 'entries', '*', 'id', id, 'kind', kind, 'nusd', nusd, 'tokens', tokens, 'input', input,
    'estimated', estimated, 'prior', prior, 'budgets', budgets, 'labels', labels}
  if rolls then e[22], e[23] = 'at', tick() end
  entries[#entries + 1] = e
end
local function writeEntries()
  for _, e in ipairs(entries) do call(unpack(e)) end
end
local function priorOf(h)
  return text(h[NUSD]) .. ':' .. text(h[TOKENS]) .. ':' .. text(h[INPUT]) .. ':' .. text(h[AT])
end
-- where the reaper's estimate does not count any more: it has aged out, or people set the counter to zero
local function forgiven(h, at, c) return h[RESETS][at] ~= c.resets or not counts(c, h[AT]) end
local function markedKeys(h, shape)
  local keys = {}
  for at, b in ipairs(shape.budgets) do
    keys[at] = forgiven(h, at, counterOf(b)) and b.key .. '!' or b.key
  end
  return table.concat(keys, ' ')
end
-- labels of a hold and those of its settlement, which win
local function joined(of, over)
  if over == '' then return of end
  if of == '' then return over end
  local named = {}
  for name in string.gmatch('&' .. over, '&([^=&]*)=') do named[name] = true end
  local rest = {}
  for name, value in string.gmatch('&' .. of, '&([^=&]*)=([^&]*)') do
    if not named[name] then rest[#rest + 1] = name .. '=' .. value end
  end
  rest[#rest + 1] = over
  return table.concat(rest, '&')
end
local function leave(h, id, shape)
  for _, r in ipairs(shape.rates) do
    if r.unit == 'c' then
      local s = seats(r.key)
      if h[EXPIRES] > now and s.moved[id] ~= false then s.taken = s.taken - 1 end
      s.moved[id] = false
    end
  end
  leases[id] = false
end
`;
