-- KEYS: buckets; each holds the instant at which it is whole again, in microseconds.
-- ARGV: 1 units wanted of each (0: none, -1: one back), then for each bucket its pace and its window in
-- microseconds and the units that were already given.
-- Returns whether what was wanted was given (1 or 0), then the debts.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local wanted = tonumber(ARGV[1])
local debts, given = {}, 1

for n, key in ipairs(KEYS) do
  local pace, window = tonumber(ARGV[3 * n - 1]), tonumber(ARGV[3 * n])
  local whole = tonumber(redis.call('GET', key) or 0)
  debts[n] = math.min(math.max(whole - now, 0) + ARGV[3 * n + 1] * pace, window)
  if wanted > 0 and debts[n] + wanted * pace > window then given = 0 end
end

for n, key in ipairs(KEYS) do
  if given == 1 then debts[n] = math.max(debts[n] + wanted * ARGV[3 * n - 1], 0) end
  if debts[n] > 0 then
    redis.call('SET', key, string.format('%.0f', now + debts[n]), 'PX', math.ceil(debts[n] / 1000))
  end
end
return { given, unpack(debts) }
