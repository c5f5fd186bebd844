/**
 * [1, id, plan, nusd, tokens, input, lease_ms]. Code 4: nothing is held under that id. A refusal names a held limit that
 * was not asked for by its key instead of its place.
 */
export const amending = `
verbs[1] = function(o)
  local id, plan, nusd, tokens, input = o[2], planOf(A[o[3] + 3]), o[4], o[5], o[6]
  if late(plan) then return {3} end
  local h = find(id)
  if not h or h == 's' then return {4} end
  local was, before = h[STATE] == 'p', shapeOf(h[PLANS])
  local holding, counting, sharing, named_, refused = {}, {}, {}, {}, nil
  for at, b in ipairs(before.budgets) do
    holding[b.key] = true
    counting[b.key] = not was or not forgiven(h, at, counterOf(b))
  end
  for at, r in ipairs(before.rates) do sharing[r.key] = at end
  local function ask(b, limit, hard, name)
    local c = counterOf(b)
    local most = inForce(b.key, limit)
    local asked = size(b.unit, nusd, tokens) - (counting[b.key] and size(b.unit, h[NUSD], h[TOKENS]) or 0)
    if asked > 0 and taken(c) + asked > (hard and most or exact) then refused = tooDear(refused, name, asked, c, most, hard) end
  end
  local function askRate(r, name)
    if r.unit == 'c' then
      local inside = sharing[r.key] and not was and h[EXPIRES] > now
      if not inside and seats(r.key).taken + 1 > r.limit then refused = tooMany(refused, name, 1, r, r.limit) end
      return
    end
    local asked = sizeOf(r.unit, tokens, input)
    if sharing[r.key] then asked = r.unit == 'r' and 0 or asked - sizeOf(r.unit, h[TOKENS], h[INPUT]) end
    if asked > 0 and window(r.key, r.ms, r.n).used + asked > r.limit then refused = tooMany(refused, name, asked, r, r.limit) end
  end
  for at, b in ipairs(plan.budgets) do
    named_[b.key] = true
    ask(b, b.limit, b.hard, at - 1)
  end
  for at, r in ipairs(plan.rates) do
    named_[r.key] = true
    askRate(r, at - 1)
  end
  for _, b in ipairs(before.budgets) do
    local c = counterOf(b)
    if not named_[b.key] then ask(b, max(0, c.limit), c.hard, b.key) end
  end
  for _, r in ipairs(before.rates) do
    if not named_[r.key] then askRate(r, r.key) end
  end
  if refused then return refused end

  if was then unspend(id, h, before, 'held') end
  local joins, known = false, {}
  for _, b in ipairs(plan.budgets) do joins = joins or not holding[b.key] end
  for _, r in ipairs(plan.rates) do joins = joins or not sharing[r.key] end
  for _, source in ipairs(h[PLANS]) do known[source] = true end
  if joins and not known[plan.source] then h[PLANS][#h[PLANS] + 1] = plan.source end
  local shape, shares, expires = shapeOf(h[PLANS]), h[SHARES], now + o[7]
  for _, b in ipairs(shape.budgets) do
    local c, after = counterOf(b), size(b.unit, nusd, tokens)
    if not holding[b.key] then
      create(c)
      hold(c, after)
    elseif c.alive then
      hold(c, after - (was and 0 or size(b.unit, h[NUSD], h[TOKENS])))
    end
  end
  for _, b in ipairs(plan.budgets) do
    local c = counterOf(b)
    if c.alive then govern(c, b.limit, b.hard) end
  end
  for at, r in ipairs(shape.rates) do
    if r.unit == 'c' then
      local inside = sharing[r.key] and not was and h[EXPIRES] > now
      local s = seats(r.key)
      if inside then s.taken = s.taken - 1 end
      sit(r, id, expires)
      shares[at * 2 - 1], shares[at * 2] = 0, 0
    else
      local w, asked = window(r.key, r.ms, r.n), sizeOf(r.unit, tokens, input)
      if not sharing[r.key] then
        change(w, w.slot, asked)
        shares[at * 2 - 1], shares[at * 2] = w.slot, asked
      elseif r.unit ~= 'r' then
        local delta, alive = asked - sizeOf(r.unit, h[TOKENS], h[INPUT]), lives(w, shares[at * 2 - 1])
        if delta ~= 0 or not alive then
          local mine = alive and shares[at * 2] or 0
          if alive then change(w, shares[at * 2 - 1], -mine) end
          shares[at * 2 - 1], shares[at * 2] = w.slot, max(0, mine + delta)
          change(w, w.slot, shares[at * 2])
        end
      end
    end
  end
  h[STATE], h[NUSD], h[TOKENS], h[INPUT], h[EXPIRES], h[AT], h[RESETS] = 'o', nusd, tokens, input, expires, 0, {}
  keep(id, h, 0)
  leases[id] = expires
  return named(shape, plan)
end
`;
