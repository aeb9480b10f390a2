-- Claims queues of instances that nobody works on. KEYS: instances. ARGV: how long nobody has, in milliseconds, and
-- what the keys of an instance's queue begin with. Answers the instances. Empty queues are removed.
local at = now()
local claimed = {}
for _, instance in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', at - ARGV[1], 'LIMIT', 0, 16)) do
  local jobs, later = ARGV[2] .. instance .. ':jobs', ARGV[2] .. instance .. ':later'
  if redis.call('XLEN', jobs) == 0 and redis.call('ZCARD', later) == 0 then
    redis.call('DEL', jobs, ARGV[2] .. instance .. ':paused')
    redis.call('ZREM', KEYS[1], instance)
  else
    redis.call('ZADD', KEYS[1], at, instance)
    claimed[#claimed + 1] = instance
  end
end
return claimed
