-- Looks for a job in one page of the queue, and removes it if that is asked for and it is not leased. KEYS: jobs, later.
-- ARGV: id, place ('later' or 'jobs'), cursor, most, '1' to remove it. Answers the next cursor or '', and the job if it
-- was found: state, id, attempts, accepted at, payload, due at or -1.
local id, place, cursor, most, removes = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5] == '1'

if place == 'later' then
  local page = redis.call('ZSCAN', KEYS[2], cursor, 'COUNT', most)
  for i = 1, #page[2], 2 do
    local member, due = page[2][i], tonumber(page[2][i + 1])
    local job = put_off_job(member)
    if job and job[1] == id then
      if removes then redis.call('ZREM', KEYS[2], member) end
      local is_due = due <= now()
      return {'', {{is_due and 'waiting' or 'delayed', id, job[2], job[3], job[4], is_due and -1 or due}}}
    end
  end
  return {page[1] == '0' and '' or page[1], {}}
end

local page = redis.call('XRANGE', KEYS[1], cursor, '+', 'COUNT', most)
for _, entry in ipairs(page) do
  local job = fields_of(entry)
  if job.i == id and job.n and job.t and job.p then
    local pending = redis.pcall('XPENDING', KEYS[1], GROUP, entry[1], entry[1], 1)
    local is_leased = not pending.err and pending[1] ~= nil
    if removes and not is_leased then redis.call('XDEL', KEYS[1], entry[1]) end
    local attempts = tonumber(job.n) + (is_leased and pending[1][4] or 0)
    return {'', {{is_leased and 'running' or 'waiting', id, attempts, tonumber(job.t), job.p, -1}}}
  end
end
return {#page < tonumber(most) and '' or '(' .. page[#page][1], {}}
