/** [0, id, plan, nusd, tokens, input, lease_ms, owner, nonce, labels] and [4, '', plan]: how limits stand. */
export const reserving = `
local function late(plan) return now < plan.from or now >= plan.to or now > not_after end
local function sit(r, id, expires)
  local s = seats(r.key)
  s.taken = s.taken + 1
  s.moved[id] = expires
end
verbs[0] = function(o)
  local id, plan = o[2], planOf(A[o[3] + 3])
  if late(plan) then return {3} end
  local nusd, tokens, input, nonce = o[4], o[5], o[6], o[9]
  local known = find(id)
  if known then
    -- asked again because the first answer was lost: what gives the first one back must not take this one's hold
    if known ~= 's' and known[NONCE] ~= nonce then
      known[NONCE] = nonce
      if known[STATE] == 'o' then keep(id, known, 0) else keep(id, known, estimate_ms) end
    end
    local reply = standing(plan)
    reply[1] = known == 's' and 7 or 6
    return reply
  end
  local budgets, refused = plan.budgets, nil
  for at = 1, #budgets do
    local b = budgets[at]
    local c, unit, limit = b.counter or counterOf(b), b.unit, b.limit
    local asked = unit == 'n' and nusd or unit == 't' and tokens or 1
    if any then limit = inForce(b.key, limit) end
    if asked > 0 and c.spent + c.held + asked > (b.hard and limit or exact) then
      refused = tooDear(refused, at - 1, asked, c, limit, b.hard)
    end
  end
  for at, r in ipairs(plan.rates) do
    if r.unit == 'c' then
      if seats(r.key).taken + 1 > r.limit then refused = tooMany(refused, at - 1, 1, r, r.limit) end
    else
      local asked = sizeOf(r.unit, tokens, input)
      if asked > 0 and window(r.key, r.ms, r.n).used + asked > r.limit then
        refused = tooMany(refused, at - 1, asked, r, r.limit)
      end
    end
  end
  if refused then return refused end
  local expires, shares, reply = now + o[7], {}, {0}
  for at = 1, #budgets do
    local b = budgets[at]
    local c, unit = b.counter, b.unit
    if not c.alive then create(c) end
    if c.limit ~= b.limit or c.hard ~= b.hard then govern(c, b.limit, b.hard) end
    c.held, c.touched = c.held + (unit == 'n' and nusd or unit == 't' and tokens or 1), true
    tellBudget(reply, b, c)
  end
  for at, r in ipairs(plan.rates) do
    if r.unit == 'c' then
      sit(r, id, expires)
      shares[at * 2 - 1], shares[at * 2] = 0, 0
    else
      local w, asked = window(r.key, r.ms, r.n), sizeOf(r.unit, tokens, input)
      change(w, w.slot, asked)
      shares[at * 2 - 1], shares[at * 2] = w.slot, asked
    end
    tellRate(reply, r)
  end
  keep(id, {2, 'o', o[8], nusd, tokens, input, expires, nonce, o[10], {plan.source}, shares, 0, {}}, 0)
  leases[id] = expires
  return reply
end
verbs[4] = function(o)
  local plan = planOf(A[o[3] + 3])
  if late(plan) then return {3} end
  return standing(plan)
end
`;
