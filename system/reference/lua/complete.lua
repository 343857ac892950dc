-- complete: a body ended well.
-- ARGV: queue, id, exec, result_ttl_s (-1: keep for good), iso, worker, result (base64, '' for None), context (JSON,
--   '' for none)
-- Precondition: exec is the job's lease.
-- Effect: drops the lease; files the job as finished until its time to live is over; stores the result. The record, or
--   a stub of it where nothing is kept, stays until late copies of its enqueue are past their window (rule 3). A
--   cancellation that was asked for came too late.
-- Reply: {applied | replayed | lost}
local queue, id, exec, ttl_s, iso = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local worker, result, context = ARGV[6], ARGV[7], ARGV[8]
local TTL_S_MAX = 1e10 -- a stock job may ask for more than Redis' times take
if not within(ttl_s, -1e17, 1e17) or not context then return refuse('complete: bad arguments') end
ttl_s = math.min(math.ceil(ttl_s), TTL_S_MAX)
if not holds(queue, id, exec) then
  return {was_taken(id, exec, 'complete') and 'replayed' or 'lost'}
end

local key, results = job_key(id), results_key(id)
local attempts = redis.call('HGET', key, 'attempts')
if ttl_s < 0 then
  redis.call('ZADD', rq_key('finished', queue), '+inf', id)
elseif ttl_s > 0 then
  redis.call('ZADD', rq_key('finished', queue), seconds(now_us + ttl_s * 1000000), id)
else
  make_stub(id)
end
redis.call('HDEL', key, 'cancel_request')
redis.call('HSET', key, 'status', 'finished', 'ended_at', iso, 'exec', '', 'settled', exec .. ' complete')
drop_lease(queue, id, exec)
if ttl_s >= 0 then expire_record(id, ttl_s * 1000000) end
if result ~= '' and ttl_s ~= 0 then
  redis.call('XADD', results, 'MAXLEN', RESULTS_MAX, '*', 'type', 1, 'worker_name', worker, 'return_value', result)
end
if ttl_s >= 0 and (result ~= '' or attempts or redis.call('EXISTS', results) == 1) then
  redis.call('EXPIRE', results, int(ttl_s))
end
observe(queue, exec, '')
audit_run(queue, id, exec, 'finished', worker, context)
return {'applied'}
