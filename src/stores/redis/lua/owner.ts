/**
 * What an owner has taken out (see slices). `load(key)` reads all of it; `load(key, true)` reads a field when it is asked
 * for, since an owner may have thousands of slices and a trade is about few,
 * but for one that was away. `each` goes through what was read.
 */
export const owning = `
local lazyKey, lazyKind, lazyWas = {}, {}, {}
local lazy = {__index = function(t, name)
  local value = call('HGET', t[lazyKey], t[lazyKind] .. '|' .. name)
  value = value and (t[lazyKind] == 'p' and value or tonumber(value)) or false
  rawset(t, name, value)
  t[lazyWas][name] = value
  return value
end}
local function part(key, kind)
  return setmetatable({[lazyKey] = key, [lazyKind] = kind, [lazyWas] = {}}, lazy)
end
local function each(t)
  local name, value
  return function()
    repeat name, value = next(t, name) until name == nil or (type(name) == 'string' and value)
    return name, value
  end
end
local function load(key, few)
  local head = few and call('HMGET', key, 'number', 'done', 'lost', 'have', 'lacks')
  if head and not head[3] and not head[5] and (head[4] or not head[1]) then
    return {number = tonumber(head[1] or nil), done = tonumber(head[2] or nil), have = tonumber(head[4] or '0'),
      b = part(key, 'b'), c = part(key, 'c'), p = part(key, 'p'), r = {}, l = {}}
  end
  local rec, all = {b = {}, c = {}, r = {}, p = {}, l = {}}, call('HGETALL', key)
  for at = 1, #all, 2 do
    local kind, name = match(all[at], '^(%a)|(.*)$')
    if kind == 'p' then rec.p[name] = all[at + 1]
    elseif kind then rec[kind][name] = tonumber(all[at + 1])
    else rec[all[at]] = tonumber(all[at + 1]) end
  end
  rec.have = nil
  return rec
end
`;
