-- Ends an attempt that did not end its job. KEYS: jobs, later, paused, seq. ARGV: consumer, entry, attempts so far,
-- wait in milliseconds, what becomes of the note since when it is set aside: 'clear', 'keep' or 'set'. Answers 1, or 0
-- if the job is not leased.
local job = leased(KEYS[1], ARGV[1], ARGV[2])
if not job then return 0 end
remove(KEYS[1], ARGV[2])
local wait = tonumber(ARGV[4])
local since = nil
if ARGV[5] ~= 'clear' then since = tonumber(job.s) end
if ARGV[5] == 'set' then since = since or now() end
if wait > 0 or redis.call('EXISTS', KEYS[3]) == 1 then
  put_off(KEYS[2], KEYS[4], now() + wait, job.i, tonumber(ARGV[3]), tonumber(job.t), job.p, since)
else
  add(KEYS[1], job.i, ARGV[3], job.t, job.p, since)
end
return 1
