-- complete: a body ended well.
-- ARGV: queue, id, exec, result_ttl_s (-1: keep for good), iso, worker, result (base64, '' for None)
-- Precondition: exec is the job's lease.
-- Effect: drops the lease; files the job as finished until its time to live is over; stores the result. The record, or a
--   stub of it where nothing is kept, stays until late copies of its enqueue are past their window (rule 3).
-- Reply: {applied | replayed | lost}
local queue, id, exec, ttl_s, iso, worker, result = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7]
if not ttl_s or not result then return refuse('complete: bad arguments') end
if not holds(queue, id, exec) then
  return {was_taken(id, exec, 'complete') and 'replayed' or 'lost'}
end

local key, results = job_key(id), P .. ':results:' .. id
local counts = redis.call('HMGET', key, 'not_after', 'attempts')
local window_us = tonumber(counts[1] or 0)
drop_lease(queue, id, exec)
redis.call('HSET', key, 'status', 'finished', 'ended_at', iso, 'exec', '', 'settled', exec .. ' complete')
if ttl_s < 0 then
  redis.call('ZADD', rq_key('finished', queue), '+inf', id)
else
  local keep_us = now_us + ttl_s * 1000000
  if ttl_s == 0 then
    redis.call('HDEL', key, 'data', 'description', 'started_at', 'worker_name', 'enqueued_at')
  else
    redis.call('ZADD', rq_key('finished', queue), seconds(keep_us), id)
  end
  redis.call('PEXPIREAT', key, int(math.ceil(math.max(keep_us, window_us) / 1000)))
end
if result ~= '' and ttl_s ~= 0 then
  redis.call('XADD', results, 'MAXLEN', 10, '*', 'type', 1, 'worker_name', worker, 'return_value', result)
end
if ttl_s >= 0 and (result ~= '' or counts[2]) then redis.call('EXPIRE', results, ttl_s) end
return {'applied'}
