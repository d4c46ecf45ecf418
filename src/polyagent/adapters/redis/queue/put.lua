-- ARGV: 1 "head" or "tail", 2 for how many milliseconds what is due later cannot be hastened, then
-- members, each with the milliseconds after which it is due.
-- What is due later and enters at the head then has half a millisecond on top.
local now = now_ms()

local function is_held(member)
  local due = tonumber(redis.call('ZSCORE', later, member) or 0)
  return due > now and due <= now + tonumber(ARGV[2])
end

for i = 3, #ARGV, 2 do
  local member, delay_ms = ARGV[i], tonumber(ARGV[i + 1])
  if delay_ms > 0 then
    redis.call('ZADD', later, 'NX', now + delay_ms + (ARGV[1] == 'head' and 0.5 or 0), member)
  elseif not is_held(member) then
    enter(member, ARGV[1] == 'head')
  end
end
