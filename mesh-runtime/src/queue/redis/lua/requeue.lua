-- Puts a dead letter back. KEYS: jobs, later, paused, seq, dead, letters, instances. ARGV: id, payload, most jobs,
-- instance or ''. Answers '+', '-' if there is no such dead letter, 'F' if there is no room.
local packed = redis.call('HGET', KEYS[6], ARGV[1])
if not packed then return '-' end
if redis.call('XLEN', KEYS[1]) + redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[3]) then return 'F' end
local accepted = cmsgpack.unpack(packed)[3]
redis.call('HDEL', KEYS[6], ARGV[1])
redis.call('ZREM', KEYS[5], ARGV[1])
if ARGV[4] ~= '' then redis.call('ZADD', KEYS[7], 'NX', now(), ARGV[4]) end
if redis.call('EXISTS', KEYS[3]) == 1 then
  put_off(KEYS[2], KEYS[4], now(), ARGV[1], 0, accepted, ARGV[2])
else
  add(KEYS[1], ARGV[1], 0, accepted, ARGV[2])
end
return '+'
