-- Lists jobs. KEYS: jobs, later. ARGV: state, most. Answers for each: state, id, attempts, accepted at, payload, due at
-- or -1.
local state, most, at = ARGV[1], tonumber(ARGV[2]), now()
local list = {}

local function add_entry(entry, delivered)
  local job = fields_of(entry)
  if not (job.i and job.n and job.t and job.p) then return end
  list[#list + 1] = {state, job.i, tonumber(job.n) + delivered, tonumber(job.t), job.p, -1}
end

local function add_put_off(member, due)
  local job = put_off_job(member)
  if job then list[#list + 1] = {state, job[1], job[2], job[3], job[4], due} end
end

if state == 'waiting' then
  local last = leased_until(KEYS[1])
  for _, entry in ipairs(redis.call('XRANGE', KEYS[1], last and '(' .. last or '-', '+', 'COUNT', most)) do
    add_entry(entry, 0)
  end
  local room = most - #list
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', at, 'LIMIT', 0, room)) do
    add_put_off(member, -1)
  end
elseif state == 'running' then
  local pending = redis.pcall('XPENDING', KEYS[1], GROUP, '-', '+', most)
  if pending.err then return list end
  for _, item in ipairs(pending) do
    local entry = redis.call('XRANGE', KEYS[1], item[1], item[1])[1]
    if entry then add_entry(entry, item[4]) end
  end
else
  local members = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. at, '+inf', 'WITHSCORES', 'LIMIT', 0, most)
  for i = 1, #members, 2 do add_put_off(members[i], tonumber(members[i + 1])) end
end
return list
