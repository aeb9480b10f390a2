-- Ends jobs that are done. KEYS: jobs. ARGV: entries. Answers 1 for each that was leased, else 0.
local acked = {}
for at, entry in ipairs(ARGV) do acked[at] = redis.call('XACK', KEYS[1], GROUP, entry) end
redis.call('XDEL', KEYS[1], unpack(ARGV))
return acked
