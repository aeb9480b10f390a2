-- In front of every script. A job is a stream entry while it waits or runs (`i` id, `n` attempts so far, `t` accepted
-- at, `p` payload, and `s` set aside since, if it is), and a member of the sorted set `later`, scored by its time, until
-- it may run.

local GROUP = 'workers'

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function add(jobs, id, attempts, accepted, payload, set_aside_since)
  local aside = set_aside_since and {'s', set_aside_since} or {}
  redis.call('XADD', jobs, '*', 'i', id, 'n', attempts, 't', accepted, 'p', payload, unpack(aside))
end

-- Equal scores keep their order by the number in front.
local function put_off(later, seq, due, id, attempts, accepted, payload, set_aside_since)
  local order = string.format('%016x', redis.call('INCR', seq))
  redis.call('ZADD', later, due, order .. cmsgpack.pack({id, attempts, accepted, payload, set_aside_since}))
end

-- A job that was put off: {id, attempts, accepted, payload, set aside since or nil}, or nil if it is none.
local function put_off_job(member)
  local is_job, job = pcall(cmsgpack.unpack, string.sub(member, 17))
  if is_job and type(job) == 'table' and job[4] then return job end
  return nil
end

-- Moves up to `max` jobs whose time has come to the stream; what is no job goes, or nothing would get past it. Returns
-- in how many milliseconds the next is due, or -1.
local function promote(jobs, later, max)
  local at = now()
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', later, '-inf', at, 'LIMIT', 0, max)) do
    local job = put_off_job(member)
    if job then add(jobs, job[1], job[2], job[3], job[4], job[5]) end
    redis.call('ZREM', later, member)
  end
  local next = redis.call('ZRANGE', later, 0, 0, 'WITHSCORES')
  if not next[2] then return -1 end
  return math.max(0, tonumber(next[2]) - at)
end

-- The fields of an entry of the stream, by their names.
local function fields_of(entry)
  local fields = {}
  for at = 1, #entry[2], 2 do fields[entry[2][at]] = entry[2][at + 1] end
  return fields
end

-- The id up to which the group has leased entries, or nil if nobody has leased any; and how many it has leased now.
local function leased_until(jobs)
  local groups = redis.pcall('XINFO', 'GROUPS', jobs)
  if groups.err then return nil, 0 end
  for _, fields in ipairs(groups) do
    local group = {}
    for at = 1, #fields, 2 do group[fields[at]] = fields[at + 1] end
    if group.name == GROUP then return group['last-delivered-id'], group.pending end
  end
  return nil, 0
end

-- The fields of an entry that this consumer has leased, or nil.
local function leased(jobs, consumer, entry)
  local pending = redis.pcall('XPENDING', jobs, GROUP, entry, entry, 1, consumer)
  if pending.err or not pending[1] then return nil end
  local found = redis.call('XRANGE', jobs, entry, entry)
  if not found[1] then return nil end
  return fields_of(found[1])
end

local function remove(jobs, entry)
  redis.call('XACK', jobs, GROUP, entry)
  redis.call('XDEL', jobs, entry)
end
