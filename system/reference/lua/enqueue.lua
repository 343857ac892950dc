-- enqueue: a job comes into being, waiting or delayed.
-- ARGV: queue, id, not_after (server µs), delay_us, iso (client's time, for RQ's readers), field, value, ...
-- Precondition: now <= not_after, and no record of this id.
-- Effect: writes the record; pushes it, or files it under its due time; wakes a slot. What an earlier job of this id
--   left in the sets (its record expired, or a stock tool deleted it) goes. A known record's window is extended.
-- Reply: {applied | known | expired, server µs}
local queue, id, not_after_us, delay_us, iso = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
if not within(not_after_us, 0, 1e17) or not within(delay_us, 0) or #ARGV < 7 or #ARGV > 2000 or #ARGV % 2 == 0 then
  return refuse('enqueue: bad arguments')
end
if now_us > not_after_us then return {'expired', int(now_us)} end

local key = job_key(id)
local window = redis.call('HGET', key, 'not_after')
if window or redis.call('EXISTS', key) == 1 then
  if window and tonumber(window) < not_after_us then
    redis.call('HSET', key, 'not_after', int(not_after_us))
    redis.call('PEXPIREAT', key, int(math.ceil(not_after_us / 1000)), 'GT')
  end
  return {'known', int(now_us)}
end

-- Reads that raise on a foreign type come before the first write.
local listed = redis.call('SISMEMBER', P .. ':queues', rq_key('queue', queue)) == 1
redis.call('LLEN', sp_key('wake', queue))
local left = {}
for _, set in ipairs({sp_key('lease', queue), sp_key('dead', queue), rq_key('failed', queue), rq_key('finished', queue),
  rq_key('canceled', queue)}) do
  if redis.call('ZSCORE', set, id) then left[#left + 1] = set end
end

-- The first write is one that a full Redis refuses: after any other it would let the whole script pass its maxmemory.
local status = 'queued'
if delay_us > 0 then
  status = 'scheduled'
  redis.call('ZADD', rq_key('scheduled', queue), seconds(now_us + delay_us), id)
else
  redis.call('RPUSH', rq_key('queue', queue), id)
end
for _, set in ipairs(left) do redis.call('ZREM', set, id) end
redis.call('HSET', key, 'status', status, 'origin', queue, 'created_at', iso, 'enqueued_at', iso,
  'not_after', int(not_after_us), unpack(ARGV, 6))
if not listed then redis.call('SADD', P .. ':queues', rq_key('queue', queue)) end
if delay_us == 0 then wake(queue) end
return {'applied', int(now_us)}
