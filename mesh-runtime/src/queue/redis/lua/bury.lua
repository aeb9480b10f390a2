-- Moves a leased job to the dead letters. KEYS: jobs, dead, letters. ARGV: consumer, entry, attempts, error, instance
-- or '', most dead letters. Answers how many of the oldest had to go, or -1 if the job is not leased.
local job = leased(KEYS[1], ARGV[1], ARGV[2])
if not job then return -1 end
remove(KEYS[1], ARGV[2])
local at = now()
redis.call('ZADD', KEYS[2], at, job.i)
redis.call('HSET', KEYS[3], job.i,
  cmsgpack.pack({ARGV[5], tonumber(ARGV[3]), tonumber(job.t), at, job.p, ARGV[4]}))
local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[6])
if over <= 0 then return 0 end
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, over - 1)) do redis.call('HDEL', KEYS[3], id) end
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, over - 1)
return over
