/**
 * What every script starts with: the server's clock, and numbers as text that is exact to 2^53. A number given to
 * redis.call is written with %.17g, which is %.0f for every integer a sum may be, and cheaper than formatting it first.
 *
 * KEYS[1] is a key of the organisation; ARGV[1] is what comes before every one of them: they share the hash tag, so they
 * share the slot. What else there is in ARGV is each script's own.
 */
export const ground = `
local call, K, A = redis.call, KEYS, ARGV
local base, exact = A[1], 9007199254740991
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local format, match, floor, max = string.format, string.match, math.floor, math.max
local function text(n) return format('%.0f', n) end
-- ioredis 6.0.0 rounds integers above 2^52 when it reads them (9007199254740991 becomes ...992): those go as text
local function plain(reply)
  for at = 1, #reply do
    local n = reply[at]
    if type(n) == 'number' and n > 4503599627370495 then reply[at] = text(n) end
  end
  return reply
end
-- a command takes 8,000 words of a script at most; pairs stay together
local function spread(name, key, list)
  for at = 1, #list, 4000 do call(name, key, unpack(list, at, math.min(at + 3999, #list))) end
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
-- time as spending is counted: where the clock goes back a little, it stands still. Where that would take long (it had been a
-- month ahead) it goes on from where it was, as the clock does: else windows that roll would stay full all the while
local ticks, ticked, behind
local function tick()
  if not ticks then
    ticked = tonumber(call('GET', base .. 'clock') or '0')
    ticks, behind = max(now, ticked), ticked - now > 10000
    if behind then
      local passed = now - (call('GET', base .. 'clock:was') or now)
      -- one that jumps by more is being put right: no time has passed
      if passed > 0 and passed <= 3600000 then ticks = ticks + passed end
    end
  end
  return ticks
end
`;

/**
 * Limits that stand in for configured ones: a hash of `limit expires` (0: until taken back) by the budget's key without
 * its date. `any` tells whether there are some, `inForce(key, configured)` which limit holds now.
 */
export const raising = `
local raised, any = {}, call('HGETALL', base .. 'overrides')
for at = 1, #any, 2 do raised[any[at]] = any[at + 1] end
any = #any > 0
local function inForce(key, limit)
  if not any then return limit end
  local head, word, rest = match(key, '^(budget:[^:]*:[^:]*:(%a+))(.*)$')
  if word ~= 'total' and word ~= 'rolling' then key = head .. string.gsub(rest, '^:[^@:]*', '') end
  local most, expires = match(raised[key] or '', '^(%d+) (%d+)$')
  if most and (expires == '0' or now < tonumber(expires)) then return tonumber(most) end
  return limit
end
`;

/**
 * KEYS[2] names the epoch its sender knows: while that key stands, this store is the one the sender has met, with all it
 * was told. A store that lost writes has another epoch or none: nothing is done there, answer -1. What only reads needs
 * no epoch.
 *
 * In a Cluster, keys of a slot on the move may be gone already, and a script would fail between two writes. All that is
 * changed was read before the first write, and `still` looks at the rest: what fails, fails before it.
 */
export const gate = `
local pass = K[2] and call('GET', K[2])
if K[2] and not pass then return {-1, now} end
local function still()
  if pass ~= 'c' then return end
  for _, name in ipairs({'leases', 'entries', 'counters', 'clock'}) do call('EXISTS', base .. name) end
end
`;
