/**
 * What a call is told of its limits. A turn's answer is one text, `now raised` and then a line for each operation: numbers, and keys,
 * which have no spaces. As integers of RESP they would be five times as dear to read.
 *   0  held, or settled: of each budget spent, held and (where limits stand in) the limit in force and (where its window
 *      rolls) when it is empty; then used, reset_ms of each rate
 *   1  refused by a budget: its place (or key, where the asker did not name it), asked, spent, held, limit, hard, empty at
 *   2  refused by a rate: its place (or key), asked, retry_after_ms, used, reset_ms, limit
 *      Where several limits refuse, one after the other, each with its code.
 *   3  not now: the window has turned or the caller has stopped waiting; nothing was done
 *   6  as 0, of limits asked about again: what is held under that id stays as it is; 7: it was settled
 *   5  as 0, each limit told by its key: the number of budgets, then key, spent, held, limit, hard, empty at of each, then
 *      key, used, reset_ms, limit of each rate where the asker named a plan
 */
export const answering = `
local forms = {}
local function line(list)
  local n = #list
  if list[1] == 5 or list.refuses or type(list[2]) == 'string' then
    for at = 1, n do
      if type(list[at]) == 'number' then list[at] = format('%d', list[at]) end
    end
    return table.concat(list, ' ')
  end
  local form = forms[n]
  if not form then
    form = '%d' .. string.rep(' %d', n - 1)
    forms[n] = form
  end
  return format(form, unpack(list))
end
local function tellBudget(reply, b, c)
  local n = #reply
  reply[n + 1], reply[n + 2] = c.spent, c.held
  if any then reply[#reply + 1] = inForce(b.key, b.limit) end
  if c.ms then reply[#reply + 1] = empties(c) end
end
local function tellRate(reply, r)
  local n = #reply
  if r.unit == 'c' then
    reply[n + 1], reply[n + 2] = seats(r.key).taken, 0
  else
    local w = window(r.key, r.ms, r.n)
    reply[n + 1], reply[n + 2] = w.used, reset(w)
  end
end
local function standing(plan)
  local reply = {0}
  for _, b in ipairs(plan.budgets) do tellBudget(reply, b, counterOf(b)) end
  for _, r in ipairs(plan.rates) do tellRate(reply, r) end
  return reply
end
local function named(shape, plan)
  local reply = {5, #shape.budgets}
  for _, b in ipairs(shape.budgets) do
    local c, n = counterOf(b), #reply
    reply[n + 1], reply[n + 2], reply[n + 3] = b.key, c.spent, c.held
    reply[n + 4], reply[n + 5], reply[n + 6] = inForce(b.key, max(0, c.limit)), c.hard and 1 or 0, c.ms and empties(c) or 0
  end
  if not plan then return reply end
  local limits = {}
  for _, r in ipairs(plan.rates) do limits[r.key] = r.limit end
  for _, r in ipairs(shape.rates) do
    reply[#reply + 1] = r.key
    tellRate(reply, r)
    reply[#reply + 1] = limits[r.key] or r.limit
  end
  return reply
end
-- as 0, of a hold the asker knows the counters of; where they are not as many, all of it
local function told(shape, known)
  if known ~= #shape.budgets or any then return named(shape) end
  local reply = {0}
  for _, b in ipairs(shape.budgets) do tellBudget(reply, b, counterOf(b)) end
  return reply
end
-- adds a limit to those that refuse; there may be none yet
local function refuse(refused, ...)
  refused = refused or {refuses = true}
  for _, one in ipairs({...}) do refused[#refused + 1] = one end
  return refused
end
local function tooDear(refused, name, asked, c, limit, hard)
  return refuse(refused, 1, name, asked, c.spent, c.held, limit, hard and 1 or 0, c.ms and empties(c) or 0)
end
local function tooMany(refused, name, asked, r, limit)
  if r.unit == 'c' then return refuse(refused, 2, name, 1, 1000, seats(r.key).taken, 0, limit) end
  local w = window(r.key, r.ms, r.n)
  return refuse(refused, 2, name, asked, retry(w, w.used + asked - limit), w.used, reset(w), limit)
end
`;
