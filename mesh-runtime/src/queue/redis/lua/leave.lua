-- This consumer leases no more. KEYS: jobs, later, paused, instances. ARGV: consumer, instance or ''. Of an instance's
-- queue nothing stays where it is empty, so that instances that come and go leave nothing behind.
local pending = redis.pcall('XPENDING', KEYS[1], GROUP, '-', '+', 1, ARGV[1])
if pending.err or pending[1] then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], GROUP, ARGV[1])
if ARGV[2] == '' then return 1 end
local empty = redis.call('XLEN', KEYS[1]) == 0 and redis.call('ZCARD', KEYS[2]) == 0
if empty and redis.call('EXISTS', KEYS[3]) == 0 and #redis.call('XINFO', 'CONSUMERS', KEYS[1], GROUP) == 0 then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[4], ARGV[2])
end
return 1
