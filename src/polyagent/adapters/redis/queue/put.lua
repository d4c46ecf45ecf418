-- ARGV: 1 "head" or "tail", then members, each with the milliseconds after which it is due.
local now = now_ms()
for i = 2, #ARGV, 2 do
  local member, delay_ms = ARGV[i], tonumber(ARGV[i + 1])
  if delay_ms > 0 then
    redis.call('ZADD', later, now + delay_ms, member)
  else
    enter(member, ARGV[1] == 'head')
  end
end
