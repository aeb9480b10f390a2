-- Renews leases, and removes consumers that are gone. KEYS: jobs, instances. ARGV: consumer, instance or '', idle
-- milliseconds after which a consumer without a job is gone, then entries. Answers the entries that are another's now.
-- Only if it is there: one that has just left must not come back.
if ARGV[2] ~= '' then redis.call('ZADD', KEYS[2], 'XX', now(), ARGV[2]) end
local lost = {}
for at = 4, #ARGV do
  local pending = redis.pcall('XPENDING', KEYS[1], GROUP, ARGV[at], ARGV[at], 1, ARGV[1])
  if pending.err or not pending[1] then
    lost[#lost + 1] = ARGV[at]
  else
    redis.call('XCLAIM', KEYS[1], GROUP, ARGV[1], 0, ARGV[at], 'JUSTID')
  end
end
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], GROUP)
if not consumers.err then
  for _, fields in ipairs(consumers) do
    local consumer = {}
    for at = 1, #fields, 2 do consumer[fields[at]] = fields[at + 1] end
    if consumer.pending == 0 and consumer.idle > tonumber(ARGV[3]) and consumer.name ~= ARGV[1] then
      redis.call('XGROUP', 'DELCONSUMER', KEYS[1], GROUP, consumer.name)
    end
  end
end
return lost
