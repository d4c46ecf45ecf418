-- KEYS: 1 what is due later (by milliseconds), 2 the state, 3 to 12 the lanes of the priorities 0 to 9
-- (by start), 13 to 22 the next start of each user of those lanes.
-- A member is its priority (one digit), its id (16 bytes) and who it belongs to.
-- The state has of each lane the greatest start that was taken ("clock:5") and the turns it had
-- ("pass:5"), and the pass last taken ("now").
local later, state = KEYS[1], KEYS[2]

local function lane_of(priority)
  return KEYS[3 + priority], KEYS[13 + priority], 'clock:' .. priority, 'pass:' .. priority
end

local function number(field)
  return tonumber(redis.call('HGET', state, field) or 0)
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function enter(member, at_head)
  local who = member:sub(18)
  local lane, tails, clock, pass = lane_of(tonumber(member:sub(1, 1)))
  if redis.call('EXISTS', lane) == 0 then -- a lane that wakes does not claim the turns it missed
    redis.call('HSET', state, pass, math.max(number(pass), number('now')))
  end
  local start = number(clock) - 1
  if not at_head then
    start = math.max(start + 1, tonumber(redis.call('HGET', tails, who) or 0))
  end
  local is_new = redis.call('ZADD', lane, 'NX', start, member) == 1
  if is_new and not at_head then
    redis.call('HSET', tails, who, start + 1)
  end
end
