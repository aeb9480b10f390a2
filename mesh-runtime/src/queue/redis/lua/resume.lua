-- Undoes a pause. KEYS: jobs, later, paused. Answers the milliseconds until the next put off is due, or -1.
redis.call('DEL', KEYS[3])
return promote(KEYS[1], KEYS[2], 256)
