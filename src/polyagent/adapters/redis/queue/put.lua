-- ARGV: 1 "head" or "tail", then members, each with the milliseconds after which it is due.
-- What is due later and enters at the head then has half a millisecond on top.
local now = now_ms()
for i = 2, #ARGV, 2 do
  local member, delay_ms = ARGV[i], tonumber(ARGV[i + 1])
  if delay_ms > 0 then
    redis.call('ZADD', later, now + delay_ms + (ARGV[1] == 'head' and 0.5 or 0), member)
  else
    enter(member, ARGV[1] == 'head')
  end
end
