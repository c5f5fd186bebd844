/**
 * The last key names the epoch its sender knows: while that key stands, this store is the one the sender has met, with
 * all it was told. A store that lost writes has another epoch or none: nothing is done there, answer -1.
 *
 * In a Cluster, keys of a slot on the move may be gone already, and a script would fail between two writes. `still`
 * looks at all it is going to need: it fails before the first.
 */
export const gate = `
local pass = call('GET', K[#K])
if not pass then return {-1, now} end
local function still(...)
  if pass == 'c' then for _, name in ipairs({...}) do call('EXISTS', base .. name) end end
end
local function stillHolds(hold)
  if pass ~= 'c' then return end
  still('leases', 'entries', 'counters')
  for at = 1, #hold[7], 2 do still(hold[7][at]) end
  for at = 1, #hold[8], 7 do still(hold[8][at]) end
  for at = 1, #hold[9], 2 do still(hold[9][at]) end
end
`;
