-- How full a queue is. KEYS: jobs, later, paused, dead. Answers: waiting, running, delayed, dead, age of the next in
-- milliseconds or -1, whether it is paused.
local at = now()
local running, last = 0, '-'
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
if not groups.err then
  for _, fields in ipairs(groups) do
    local group = {}
    for i = 1, #fields, 2 do group[fields[i]] = fields[i + 1] end
    if group.name == GROUP then
      running = group.pending
      last = '(' .. group['last-delivered-id']
    end
  end
end
local due = redis.call('ZCOUNT', KEYS[2], '-inf', at)
local waiting = redis.call('XLEN', KEYS[1]) - running + due
local oldest = nil
local head = redis.call('XRANGE', KEYS[1], last, '+', 'COUNT', 1)
if head[1] then
  for i = 1, #head[1][2], 2 do
    if head[1][2][i] == 't' then oldest = tonumber(head[1][2][i + 1]) end
  end
elseif due > 0 then
  oldest = cmsgpack.unpack(string.sub(redis.call('ZRANGE', KEYS[2], 0, 0)[1], 17))[3]
end
return {
  math.max(0, waiting), running, redis.call('ZCARD', KEYS[2]) - due, redis.call('ZCARD', KEYS[4]),
  oldest and math.max(0, at - oldest) or -1, redis.call('EXISTS', KEYS[3]),
}
