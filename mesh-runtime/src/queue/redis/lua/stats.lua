-- How full a queue is. KEYS: jobs, later, paused, dead. Answers: waiting, running, delayed, dead, age of the next in
-- milliseconds or -1, whether it is paused.
local at = now()
local last, running = leased_until(KEYS[1])
local due = redis.call('ZCOUNT', KEYS[2], '-inf', at)
local waiting = redis.call('XLEN', KEYS[1]) - running + due
local oldest = nil
local head = redis.call('XRANGE', KEYS[1], last and '(' .. last or '-', '+', 'COUNT', 1)
if head[1] then
  oldest = tonumber(fields_of(head[1]).t)
elseif due > 0 then
  local job = put_off_job(redis.call('ZRANGE', KEYS[2], 0, 0)[1])
  oldest = job and job[3]
end
return {
  math.max(0, waiting), running, redis.call('ZCARD', KEYS[2]) - due, redis.call('ZCARD', KEYS[4]),
  oldest and math.max(0, at - oldest) or -1, redis.call('EXISTS', KEYS[3]),
}
