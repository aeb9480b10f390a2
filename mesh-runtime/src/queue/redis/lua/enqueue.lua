-- Accepts jobs. KEYS: jobs, later, paused, seq, once, once ids, instances. ARGV: most jobs, most deduplication keys,
-- instance or '', then for each job: id, payload, due ('' now, '+ms', '@unix ms'), deduplication key or '', window.
-- Answers for each: '+' accepted, '=id' left out for that one, 'F' too many jobs, 'K' too many keys.
local at = now()
local room = tonumber(ARGV[1]) - redis.call('XLEN', KEYS[1]) - redis.call('ZCARD', KEYS[2])
local paused = redis.call('EXISTS', KEYS[3]) == 1
if ARGV[3] ~= '' then redis.call('ZADD', KEYS[7], 'NX', at, ARGV[3]) end

-- The earlier job with that key, or why there is no room for the key.
local function seen(key)
  local known_until = redis.call('ZSCORE', KEYS[5], key)
  if known_until and tonumber(known_until) > at then return '=' .. redis.call('HGET', KEYS[6], key) end
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', at, 'LIMIT', 0, 100)) do
    redis.call('ZREM', KEYS[5], old)
    redis.call('HDEL', KEYS[6], old)
  end
  if redis.call('ZCARD', KEYS[5]) >= tonumber(ARGV[2]) then return 'K' end
  return nil
end

local function remember(key, window, id)
  redis.call('ZADD', KEYS[5], at + window, key)
  redis.call('HSET', KEYS[6], key, id)
  -- RedisKeys of a queue that is used no more go by themselves.
  if redis.call('PTTL', KEYS[5]) < window then
    redis.call('PEXPIRE', KEYS[5], window)
    redis.call('PEXPIRE', KEYS[6], window)
  end
end

local answers = {}
for first = 4, #ARGV, 5 do
  local id, payload, when, key, window = unpack(ARGV, first, first + 4)
  local answer = key ~= '' and seen(key) or nil
  if not answer and room <= 0 then answer = 'F' end
  if not answer then
    answer = '+'
    room = room - 1
    if key ~= '' then remember(key, tonumber(window), id) end
    local due = at
    local sign, number = string.sub(when, 1, 1), tonumber(string.sub(when, 2))
    if sign == '+' then due = at + number elseif sign == '@' then due = number end
    if paused or due > at then
      put_off(KEYS[2], KEYS[4], math.max(due, at), id, 0, at, payload)
    else
      add(KEYS[1], id, 0, at, payload)
    end
  end
  answers[#answers + 1] = answer
end
return answers
