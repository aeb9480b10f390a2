-- Takes over jobs that were leased and then left alone. KEYS: jobs, paused. ARGV: consumer, idle milliseconds, most,
-- whose ('' anybody's), then entries that are known to run here. Answers pairs of entry and attempts in the group.
if redis.call('EXISTS', KEYS[2]) == 1 then return {} end
local known = {}
for at = 5, #ARGV do known[ARGV[at]] = true end
local most = tonumber(ARGV[3])
local ask = {'XPENDING', KEYS[1], GROUP, 'IDLE', ARGV[2], '-', '+', most + #ARGV - 4}
if ARGV[4] ~= '' then ask[#ask + 1] = ARGV[4] end
local pending = redis.pcall(unpack(ask))
if pending.err then return {} end
local taken = {}
for _, item in ipairs(pending) do
  if #taken >= most then break end
  local entry = item[1]
  if not known[entry] then
    local claimed = redis.call('XCLAIM', KEYS[1], GROUP, ARGV[1], ARGV[2], entry)
    if claimed[1] then
      taken[#taken + 1] = {claimed[1], item[4] + 1}
    else
      redis.call('XACK', KEYS[1], GROUP, entry)
    end
  end
end
return taken
