"""The Lua scripts: each is one step of a write, and takes effect as a whole or not at all.

All times in Redis are by its own clock, in Unix seconds, so the clocks of the replicas need not agree. Each script of
the journal does the same when it runs twice, since its first answer may be lost; of the others, a second run takes one
more token, puts one more back, or finds a question closed.

A row is a hash: `entry` (JSON), `owner` (a random ID of the attempt that wrote it), `version`, `changed` and `settles`
(times), `targets` (JSON list of keys). While an attempt is open, the row that it replaced is kept beside it.
"""

_NOW = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local function text(seconds) return string.format('%.6f', seconds) end
"""

_EPOCH = """
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or 'unknown'
local function epoch_of(key)
  local stored = redis.call('HMGET', key, 'run', 'at')
  local at = tonumber(stored[2])
  -- A time in the future is of before the clock was set back.
  return stored[1] == run and at and at <= now and at or nil
end
local function begin_epoch(key)
  if not epoch_of(key) then redis.call('HSET', key, 'run', run, 'at', text(now)) end
end
"""
"""Since when Redis is known to have kept everything: a restart or a fail-over may have lost the last writes."""

FIND = (
    _NOW
    + _EPOCH
    + """
-- KEYS: row, epoch
local row = redis.call('HMGET', KEYS[1], 'entry', 'version', 'changed', 'settles', 'targets')
local touches = {}
if row[5] then
  for _, target in ipairs(cjson.decode(row[5])) do
    for _, each in ipairs(redis.call('ZRANGEBYSCORE', target, '(' .. row[3], '+inf', 'WITHSCORES')) do
      table.insert(touches, each)
    end
  end
end
local since = epoch_of(KEYS[2])
return {text(now), since and text(since) or false, {row[1], row[2], row[3], row[4]}, touches}
"""
)

FIND_BY_KEY = (
    _NOW
    + """
-- KEYS: index
local rows = {}
for _, row in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local values = redis.call('HMGET', row, 'entry', 'version', 'changed', 'settles')
  if values[1] then table.insert(rows, values) end
end
return {text(now), rows}
"""
)

BEGIN = (
    _NOW
    + _EPOCH
    + """
-- KEYS: row, epoch, index, count, undone
-- ARGV: owner, entry ('' if none is kept), age, settles in, targets, member, maximum (-1 if it is not counted), window,
--   ahead, kept, touch kept, locks
local owner, entry, targets, maximum = ARGV[1], ARGV[2], cjson.decode(ARGV[5]), tonumber(ARGV[7])
if redis.call('EXISTS', KEYS[5]) == 1 then return {'undone'} end
for _, lock in ipairs(cjson.decode(ARGV[12])) do
  if redis.call('GET', lock[1]) ~= lock[2] then return {'lock'} end
end
if redis.call('HGET', KEYS[1], 'owner') == owner then return {'ok', redis.call('HGET', KEYS[1], 'version')} end
if maximum >= 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', text(now - ARGV[8]))
  -- Times in the future were written before the clock was set back.
  redis.call('ZREMRANGEBYSCORE', KEYS[4], text(now + ARGV[9]), '+inf')
  local count = redis.call('ZCARD', KEYS[4])
  if maximum > 0 and count >= maximum and not redis.call('ZSCORE', KEYS[4], owner) then
    local oldest = redis.call('ZRANGE', KEYS[4], 0, 0, 'WITHSCORES')
    return {'limit', count, text(oldest[2] + ARGV[8] - now)}
  end
  redis.call('ZADD', KEYS[4], text(now), owner)
  redis.call('EXPIRE', KEYS[4], ARGV[8] + 60)
end
local version = 1
if entry ~= '' then
  version = (tonumber(redis.call('HGET', KEYS[1], 'version')) or 0) + 1
  if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('RENAME', KEYS[1], KEYS[1] .. ':' .. owner) end
  redis.call('HSET', KEYS[1], 'entry', entry, 'owner', owner, 'version', version, 'changed', text(now - ARGV[3]),
    'settles', text(now + ARGV[4]), 'targets', ARGV[5])
  redis.call('EXPIRE', KEYS[1], ARGV[10])
  redis.call('SADD', KEYS[3], KEYS[1])
  redis.call('EXPIRE', KEYS[3], ARGV[10])
end
for _, target in ipairs(targets) do
  redis.call('ZADD', target, text(now), ARGV[6])
  redis.call('ZREMRANGEBYRANK', target, 0, -101)
  redis.call('EXPIRE', target, ARGV[11])
end
begin_epoch(KEYS[2])
return {'ok', version}
"""
)

SAVE = (
    _NOW
    + """
-- KEYS: row, index
-- ARGV: owner, entry ('' if none is kept), version, ago, settles in, targets, member, kept, touch kept, kind
local owner, at, kind = ARGV[1], now - ARGV[4], ARGV[10]
if ARGV[2] ~= '' then
  local row = redis.call('HMGET', KEYS[1], 'owner', 'version', 'changed', 'settles')
  -- Without a row, Redis lost it; a row of another owner is of a later attempt, which knows more.
  local mine = row[1] == owner and tonumber(row[2]) < tonumber(ARGV[3])
  if mine or (not row[1] and kind ~= 'key') then
    local changed, settles = text(at), text(at + ARGV[5])
    if kind == 'key' then changed, settles = row[3], row[4] end
    redis.call('HSET', KEYS[1], 'entry', ARGV[2], 'owner', owner, 'version', ARGV[3], 'changed', changed,
      'settles', settles, 'targets', ARGV[6])
    redis.call('EXPIRE', KEYS[1], ARGV[8])
    redis.call('SADD', KEYS[2], KEYS[1])
    redis.call('EXPIRE', KEYS[2], ARGV[8])
    if kind == 'done' then redis.call('DEL', KEYS[1] .. ':' .. owner) end
  end
end
if kind == 'done' then
  for _, target in ipairs(cjson.decode(ARGV[6])) do
    redis.call('ZADD', target, 'NX', text(at), ARGV[7])
    redis.call('EXPIRE', target, ARGV[9])
  end
end
return 1
"""
)

UNDO = """
-- KEYS: row, count, undone
-- ARGV: owner, targets, member, 1 if it is not known whether the attempt was saved, touch kept
local before = KEYS[1] .. ':' .. ARGV[1]
if ARGV[4] == '1' then redis.call('SET', KEYS[3], 1, 'EX', ARGV[5]) end
if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then
  if redis.call('EXISTS', before) == 1 then redis.call('RENAME', before, KEYS[1]) else redis.call('DEL', KEYS[1]) end
end
redis.call('ZREM', KEYS[2], ARGV[1])
for _, target in ipairs(cjson.decode(ARGV[2])) do redis.call('ZREM', target, ARGV[3]) end
return 1
"""

PROBE = """
-- KEYS: probe, the last one; a Redis that is full or read-only only refuses what writes.
redis.call('SET', KEYS[#KEYS], 1, 'EX', 60)
redis.call('DEL', KEYS[#KEYS])
return 1
"""

PREPARE = (
    _NOW
    + _EPOCH
    + """
-- KEYS: epoch, probe
begin_epoch(KEYS[1])
"""
    + PROBE
)

USE_CODE = (
    _NOW
    + _EPOCH
    + """
-- KEYS: code, epoch
-- ARGV: nonce, age of the code ('' if unknown), how late the epoch may begin, kept
local since = epoch_of(KEYS[2])
if ARGV[2] ~= '' and (not since or since > now - ARGV[2] + ARGV[3]) then return 'lost' end
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[4]) then return 'unused' end
return redis.call('GET', KEYS[1]) == ARGV[1] and 'unused' or 'used'
"""
)

LOCK = """
-- KEYS: lock; ARGV: token, milliseconds
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return redis.call('GET', KEYS[1]) == ARGV[1] and 1 or 0
"""

RENEW = """
-- KEYS: lock; ARGV: token, milliseconds
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

RELEASE = """
-- KEYS: lock; ARGV: token
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""

_BUCKET = (
    _NOW
    + """
-- KEYS: bucket; ARGV: size, rate, ...
local size, rate = tonumber(ARGV[1]), tonumber(ARGV[2])
local stored = redis.call('HMGET', KEYS[1], 'level', 'at')
local level, at = tonumber(stored[1]) or size, tonumber(stored[2]) or now
level = math.min(size, level + math.max(0, now - at) * rate)
local function keep()
  redis.call('HSET', KEYS[1], 'level', text(level), 'at', text(now))
  redis.call('EXPIRE', KEYS[1], math.ceil((size - math.min(0, level)) / rate) + 60)
  return text(level)
end
"""
)

TAKE = _BUCKET + "level = level - 1 return keep()"
PUT_BACK = _BUCKET + "level = math.min(size, level + 1) return keep()"
LOWER = _BUCKET + "level = math.min(level, tonumber(ARGV[3])) return keep()"

PUT_ALL = (
    _NOW
    + """
-- KEYS: values, times; ARGV: maximum, kept, then names and values
for place = 3, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[place], ARGV[place + 1])
  redis.call('ZADD', KEYS[2], text(now), ARGV[place])
end
local old = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', text(now - ARGV[2]), 'LIMIT', 0, 1000)
for _, name in ipairs(old) do redis.call('HDEL', KEYS[1], name) redis.call('ZREM', KEYS[2], name) end
local more = redis.call('ZCARD', KEYS[2]) - ARGV[1]
if more > 0 then
  for _, name in ipairs(redis.call('ZRANGE', KEYS[2], 0, more - 1)) do
    redis.call('HDEL', KEYS[1], name)
    redis.call('ZREM', KEYS[2], name)
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return 1
"""
)

GET = (
    _NOW
    + """
-- KEYS: values, times; ARGV: name, kept
local at = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not at or tonumber(at) < now - ARGV[2] then return false end
return redis.call('HGET', KEYS[1], ARGV[1])
"""
)

POP = (
    _NOW
    + """
-- KEYS: values, times; ARGV: name, kept
local at, value = redis.call('ZSCORE', KEYS[2], ARGV[1]), redis.call('HGET', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return at and tonumber(at) >= now - ARGV[2] and value or false
"""
)
