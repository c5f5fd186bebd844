/**
 * `spend` replaces a hold, or the reaper's estimate of it, by what the call cost; `unspend` takes back what an estimate
 * counted. Both change only what the other parts read; nothing is written before the end.
 */
export const spending = `
local function correct(h, shape, tokens, input)
  local shares = h[SHARES]
  for at, r in ipairs(shape.rates) do
    if r.unit ~= 'c' and r.unit ~= 'r' then
      local delta = sizeOf(r.unit, tokens, input) - sizeOf(r.unit, h[TOKENS], h[INPUT])
      if delta ~= 0 then
        local w = window(r.key, r.ms, r.n)
        if lives(w, shares[at * 2 - 1]) then
          local after = max(0, shares[at * 2] + delta)
          change(w, shares[at * 2 - 1], after - shares[at * 2])
          shares[at * 2] = after
        elseif delta > 0 then
          change(w, w.slot, delta)
          shares[at * 2 - 1], shares[at * 2] = w.slot, delta
        end
      end
    end
  end
end
local function spend(id, h, nusd, tokens, input, estimated, provisional, keep_ms, labels)
  local shape, was = shapeOf(h[PLANS]), h[STATE] == 'p'
  local prior = was and priorOf(h) or ''
  local keys = was and markedKeys(h, shape) or shape.keys
  local resets, budgets, held_nusd, held_tokens = {}, shape.budgets, h[NUSD], h[TOKENS]
  for at = 1, #budgets do
    local b = budgets[at]
    local c, unit = b.counter or counterOf(b), b.unit
    if provisional then resets[at] = c.resets end
    if c.alive then
      local before, after = 1, 1
      if unit == 'n' then before, after = held_nusd, nusd elseif unit == 't' then before, after = held_tokens, tokens end
      if not was then
        local left = c.held - before
        c.held = left < 0 and 0 or left
        count(c, after, tokens, 1, c.slot)
      elseif forgiven(h, at, c) then
        count(c, max(0, after - before), max(0, tokens - h[TOKENS]), 0, c.slot)
      else
        count(c, after - before, tokens - h[TOKENS], 0, slotOf(c, h[AT]))
      end
    end
  end
  correct(h, shape, tokens, input)
  if not was then leave(h, id, shape) end
  entry(id, provisional and 'provisional' or 'settled', nusd, tokens, input, estimated, prior, keys,
    joined(h[LABELS], labels), shape.rolls)
  if provisional then
    h[STATE], h[NUSD], h[TOKENS], h[INPUT], h[AT], h[RESETS] = 'p', nusd, tokens, input, shape.rolls and tick() or now, resets
    keep(id, h, keep_ms)
  else
    keep(id, 's', keep_ms)
  end
  return shape
end
local function unspend(id, h, shape, kind)
  entry(id, kind, 0, 0, 0, kind == 'held' and '1' or '0', priorOf(h), markedKeys(h, shape), '', shape.rolls)
  for at, b in ipairs(shape.budgets) do
    local c = counterOf(b)
    if c.alive and not forgiven(h, at, c) then
      count(c, -size(b.unit, h[NUSD], h[TOKENS]), -h[TOKENS], -1, slotOf(c, h[AT]))
    end
  end
end
`;
