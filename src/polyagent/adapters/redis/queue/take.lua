-- ARGV: 1 how many, then, if BZPOPMIN took it before, one member and its start.
-- Returns in how many milliseconds the next is due (-1: none is due later), and the members.
local BATCH = 1000
local wanted = tonumber(ARGV[1])
local now = now_ms()
local over = redis.call('ZRANGEBYSCORE', later, '-inf', now + 0.5, 'WITHSCORES', 'LIMIT', 0, BATCH)
for i = 1, #over, 2 do
  redis.call('ZREM', later, over[i])
  enter(over[i], tonumber(over[i + 1]) % 1 > 0)
end

local members, lanes, last_pass = {}, {}, nil
for priority = 9, 0, -1 do
  local lane, tails, clock, pass = lane_of(priority)
  lanes[#lanes + 1] = {
    lane = lane, tails = tails, clock = clock, pass_field = pass,
    pass = number(pass), turn = 2 ^ -priority, is_open = true,
  }
end

local function took(of, member, start)
  members[#members + 1] = member
  last_pass = of.pass
  of.pass = of.pass + of.turn
  of.start = math.max(of.start or number(of.clock), tonumber(start))
end

local function next_lane()
  local best
  for _, of in ipairs(lanes) do
    if of.is_open and (not best or of.pass < best.pass) then best = of end
  end
  return best
end

if ARGV[2] then
  took(lanes[10 - tonumber(ARGV[2]:sub(1, 1))], ARGV[2], ARGV[3])
end
while #members < wanted do
  local of = next_lane()
  if not of then break end
  local popped = redis.call('ZPOPMIN', of.lane)
  if #popped > 0 then
    took(of, popped[1], popped[2])
  else
    of.is_open = false
  end
end

for _, of in ipairs(lanes) do
  if of.start then
    redis.call('HSET', state, of.clock, of.start, of.pass_field, of.pass, 'now', last_pass)
  end
  if not of.is_open then -- nobody waits here: all begin anew
    redis.call('DEL', of.tails)
    redis.call('HDEL', state, of.clock)
  end
end

local due = redis.call('ZRANGE', later, 0, 0, 'WITHSCORES')
table.insert(members, 1, #due > 0 and math.max(0, math.ceil(tonumber(due[2]) - now)) or -1)
return members
