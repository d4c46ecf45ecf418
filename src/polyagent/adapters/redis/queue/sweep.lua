-- KEYS: 23 held while a sweep counts as fresh, 24 missing after a flush. ARGV: 1 for how many milliseconds.
-- Forgets users who have had all their turns. Returns nothing if a sweep is fresh, else whether the queue
-- must be rebuilt, and the cursor of the walk.
local BATCH = 500
if not redis.call('SET', KEYS[23], '1', 'NX', 'PX', ARGV[1]) then
  return false
end
for priority = 0, 9 do
  local _, tails, clock_field = lane_of(priority)
  local clock = redis.call('HGET', state, clock_field)
  if clock then -- else the lane is empty, or nobody has had a turn
    local cursor = 'scan:' .. priority
    local found = redis.call('HSCAN', tails, number(cursor), 'COUNT', BATCH)
    for i = 1, #found[2], 2 do
      if tonumber(found[2][i + 1]) <= tonumber(clock) then
        redis.call('HDEL', tails, found[2][i])
      end
    end
    redis.call('HSET', state, cursor, found[1])
  end
end
return { redis.call('SETNX', KEYS[24], '1'), number('walked') }
