/**
 * A store that lost what it had is told what stood in the sums it is told later: of counters, how often they were set to
 * zero, and estimates, one by one, so that each can still be taken back (`t.resets`, `t.estimates`; counters as items have
 * them, with their resets instead of what is used, -1 where an estimate does not count; when that was counted, and the number
 * of the item that ends it: where that is done, it was told before, and its end). One that
 * has the sums is told nothing: what is in them nobody could tell.
 */
const toldAgain = `
if t.estimates and call('HGET', base .. 'primary', 'lossy') == '1' then
  local function known(k)
    local c = counter(k[1], k[2], k[5], k[6], k[7])
    if k[8] > c.resets then c.resets, c.cleared, c.touched = k[8], true, true end
  end
  for _, k in ipairs(t.resets) do known(k) end
  for _, e in ipairs(t.estimates) do
    local id, nusd, tokens, at, ends = e[1], e[2], e[3], e[7], e[8]
    if not rec.p[id] and (ends == 0 or ends > done) then
      local keys, found, rolls = {}, {}, false
      for place, k in ipairs(e[6]) do
        local c = counter(k[1], k[2], k[5], k[6], k[7])
        found[place] = '-1'
        if k[8] >= 0 and counts(c, at) then
          found[place] = text(k[8])
          known(k)
          if not c.alive and (k[5] == 0 or k[5] > now) then
            create(c)
            govern(c, k[3], k[4] == 1)
          end
          rolls = rolls or c.ms and true
          if c.alive then
            count(c, size(k[2], nusd, tokens), tokens, 1, slotOf(c, at))
            call('SADD', base .. 'again', k[1])
            call('HINCRBY', base .. 'again:sums', k[1] .. ' ' .. text(k[8]), text(size(k[2], nusd, tokens)))
            keys[#keys + 1] = k[1]
          end
        end
      end
      rec.p[id] = text(at) .. ' ' .. table.concat(found, ' ')
      entry(id, 'provisional', nusd, tokens, e[4], 1, '', table.concat(keys, ' '), e[5], rolls)
      if rolls then entries[#entries][23] = at end
    end
  end
end
for _, e in ipairs(t.estimates or {}) do
  estimated[#estimated + 1] = e[1]
  estimated[#estimated + 1] = rec.p[e[1]] or ''
end
`;

/**
 * What an owner tells in a trade (`rec`, the owner's; `t`, the trade), each item done once: `done` is the newest, `kept` what
 * came back to its slices and is no call's yet, `renewed` what became of the renewals it asks about, `estimated` where
 * estimates count that it tells again or whose items it tells: an id, and a text of when and of each counter's resets then, -1 where it does not.
 *
 * An estimate is held again (`v`) only where it still counts in every counter that the owner counts on (those whose slice it
 * gives to): the slice grows by what is spent no more. Else it stays an estimate, and the owner has to look for room. One
 * that is to be an estimate all the same (`p` with a prior) becomes it again, where it was held.
 */
export const happened = `
local unknown = {}
local function estimate(known)
  if not known then return 0, unknown end
  local at, rest = match(known, '^(%d+) (.*)$')
  local resets = {}
  for word in string.gmatch(rest, '%-?%d+') do resets[#resets + 1] = tonumber(word) end
  return tonumber(at), resets
end
local function stillCounts(c, at, resets) return resets == c.resets and counts(c, at) end
local done, forgotten, estimated = rec.done or 0, {}, {}
${toldAgain}
for _, item in ipairs(cjson.decode(A[4])) do
  if item[1] <= done then
    -- its teller did not hear that it was done, and so not of its counters
    for _, k in ipairs(item[2] ~= 'r' and item[12] or {}) do counter(k[1], k[2], k[5], k[6], k[7]) end
  else
    done = item[1]
    if item[2] == 'r' then
      local w = window(item[3], item[6], item[7])
      if lives(w, item[4]) then change(w, item[4], item[5]) elseif item[5] > 0 then change(w, w.slot, item[5]) end
    else
      local kind, id, nusd, tokens, input = item[2], item[3], item[4], item[5], item[6]
      local was, spends, rolls = item[8] >= 0, item[2] == 's' or item[2] == 'p', false
      local known = was and rec.p[id]
      local at, resets = estimate(known)
      local back = was and kind == 'p'
      local stands = back and known
      if kind == 'v' then
        for place, k in ipairs(item[12]) do
          if k[8] < 0 and not stillCounts(counter(k[1], k[2], k[5], k[6], k[7]), at, resets[place]) then stands = true end
        end
        if stands and not known then rec.p[id] = '0 ' end
      end
      if not stands then
        if back then was = false end
        local keys, found = {}, {}
        for place, k in ipairs(item[12]) do
          local short, unit, used = k[1], k[2], k[8]
          local c = counter(short, unit, k[5], k[6], k[7])
          if not c.alive and (k[5] == 0 or k[5] > now) then
            create(c)
            govern(c, k[3], k[4] == 1)
          end
          rolls = rolls or c.ms and true
          local before = was and size(unit, item[8], item[9]) or 0
          local after = spends and size(unit, nusd, tokens) or 0
          local mark = ''
          -- where it did not count before it does not count again; nor where what it held was forgiven and others have the room
          local left_out = back and used == 0 and after > 0
          if rec.lacks and kind == 'p' and (rec.l[short] or 0) > 0 and (rec.b[short] or 0) < used then
            left_out, rec.l[short] = true, max(0, rec.l[short] - used)
          end
          found[place] = left_out and '-1' or text(c.resets)
          if c.alive and not left_out then
            if not was then
              count(c, after, tokens, 1, c.slot)
            elseif not stillCounts(c, at, resets[place]) then
              mark = '!'
              if spends then count(c, max(0, after - before), max(0, tokens - item[9]), 0, c.slot) end
            elseif spends then
              count(c, after - before, tokens - item[9], 0, slotOf(c, at))
            else
              count(c, -before, -item[9], -1, slotOf(c, at))
            end
            local has = rec.b[short] or 0
            used = math.min(used, has)
            rec.b[short] = has - used
            lease(c, -used)
          end
          if not left_out then keys[#keys + 1] = short .. mark end
        end
        if was then forgotten['p|' .. id], rec.p[id] = true, false end
        if kind == 'p' then forgotten['p|' .. id], rec.p[id] = nil, text(tick()) .. ' ' .. table.concat(found, ' ') end
        local name = kind == 's' and 'settled' or kind == 'p' and 'provisional' or kind == 'v' and 'held' or 'released'
        local prior = was and (text(item[8]) .. ':' .. text(item[9]) .. ':' .. text(item[10]) .. ':' .. text(at)) or ''
        entry(id, name, nusd, tokens, input, item[7], prior, table.concat(keys, ' '), item[11], rolls)
      end
    end
  end
  if item[2] == 'p' then
    estimated[#estimated + 1] = item[3]
    estimated[#estimated + 1] = rec.p[item[3]] or ''
  end
end
-- what came back of estimates that are held again is no call's yet
local kept, renewed = {}, {}
for place, renewal in ipairs(t.renewals) do
  local known = rec.p[renewal[1]]
  local at, resets = estimate(known)
  local words = {known and 'e' or 'h'}
  for of = 2, #renewal do
    local short, amount = renewal[of][1], renewal[of][2]
    if known then words[of] = stillCounts(shaped(short), at, resets[of - 1]) and '1' or '0'
    else kept[short] = (kept[short] or 0) + amount end
  end
  renewed[place] = table.concat(words)
end
`;
