-- KEYS: 1 who has how many places: a hash from process to "count:until", in milliseconds.
-- ARGV: 1 process, 2 its count now (with the place that it wants), 3 most of all, 4 its lease in ms.
-- Returns how many the others have, or -1 if there is no room.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local process, mine, most, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local held = redis.call('HGETALL', KEYS[1])
local others = 0

for n = 1, #held, 2 do
  local count, alive_until = string.match(held[n + 1], '(%d+):(%d+)')
  if tonumber(alive_until) < now then
    redis.call('HDEL', KEYS[1], held[n])
  elseif held[n] ~= process then
    others = others + count
  end
end
if mine > 0 and others + mine > most then return -1 end

if mine == 0 then
  redis.call('HDEL', KEYS[1], process)
else
  redis.call('HSET', KEYS[1], process, string.format('%d:%.0f', mine, now + lease))
  redis.call('PEXPIRE', KEYS[1], lease)
end
return others
