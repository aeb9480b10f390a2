-- Leases jobs that wait. KEYS: jobs, later, paused, instances. ARGV: consumer, most, instance or ''.
-- Answers: entries, milliseconds until the next put off is due or -1, whether the queue is paused.
if ARGV[3] ~= '' then redis.call('ZADD', KEYS[4], now(), ARGV[3]) end
if redis.call('EXISTS', KEYS[3]) == 1 then return {{}, -1, 1} end
local next = promote(KEYS[1], KEYS[2], 256)
local function read()
  return redis.pcall('XREADGROUP', 'GROUP', GROUP, ARGV[1], 'COUNT', ARGV[2], 'STREAMS', KEYS[1], '>')
end
local reply = read()
if reply and reply.err then
  redis.call('XGROUP', 'CREATE', KEYS[1], GROUP, '0', 'MKSTREAM')
  reply = read()
end
if reply and reply.err then return redis.error_reply(reply.err) end
return {reply and reply[1][2] or {}, next, 0}
