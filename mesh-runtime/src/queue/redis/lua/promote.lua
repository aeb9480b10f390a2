-- Lets jobs run whose time has come. KEYS: jobs, later, paused. Answers the milliseconds until the next, or -1.
if redis.call('EXISTS', KEYS[3]) == 1 then return -1 end
return promote(KEYS[1], KEYS[2], 256)
