-- The oldest dead letters, or one. KEYS: dead, letters. ARGV: most, or '' and a job id. Answers for each: id, instance,
-- attempts, accepted at, died at, payload, error.
local ids = ARGV[1] == '' and {ARGV[2]} or redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1)
local letters = {}
for _, id in ipairs(ids) do
  local packed = redis.call('HGET', KEYS[2], id)
  if packed then
    local letter = cmsgpack.unpack(packed)
    letters[#letters + 1] = {id, letter[1], letter[2], letter[3], letter[4], letter[5], letter[6]}
  end
end
return letters
