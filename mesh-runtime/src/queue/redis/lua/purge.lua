-- Throws a dead letter away. KEYS: dead, letters. ARGV: id. Answers whether there was one.
redis.call('ZREM', KEYS[1], ARGV[1])
return redis.call('HDEL', KEYS[2], ARGV[1])
