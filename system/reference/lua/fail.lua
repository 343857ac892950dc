-- fail: a body failed, timed out, or can't be run at all.
-- ARGV: queue, id, exec, kind (error | timeout | unsupported | unserialisable), attempts_max, delay_us, iso, worker,
--   trace (base64 of zlib, as RQ's readers expect)
-- Precondition: exec is the job's lease.
-- Effect: drops the lease and stores the trace. error and timeout: attempts + 1 (timeouts + 1), then delayed by
--   delay_us, or a dead letter at attempts_max: `timeout` if the last one timed out, else `exhausted`. The other kinds:
--   a dead letter at once, since no further attempt can end differently.
-- Reply: {applied, retry | dead} | {replayed} | {lost}
local queue, id, exec, kind, attempts_max = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local delay_us, iso, worker, trace = tonumber(ARGV[6]), ARGV[7], ARGV[8], ARGV[9]
local KINDS = {error = 'exhausted', timeout = 'timeout', unsupported = 'unsupported', unserialisable = 'unserialisable'}
if not KINDS[kind] or not attempts_max or not delay_us or delay_us < 0 or not trace then
  return refuse('fail: bad arguments')
end
if not holds(queue, id, exec) then
  return {was_taken(id, exec, 'fail') and 'replayed' or 'lost'}
end

local key, settled = job_key(id), exec .. ' fail'
local counted = kind == 'error' or kind == 'timeout'
local retries_left = redis.call('HGET', key, 'retries_left')
drop_lease(queue, id, exec)
redis.call('XADD', P .. ':results:' .. id, 'MAXLEN', 10, '*', 'type', 2, 'worker_name', worker, 'exc_string', trace)
local attempts = counted and bump(key, 'attempts') or attempts_max
if kind == 'timeout' then bump(key, 'timeouts') end
if attempts >= attempts_max then
  bury(queue, id, KINDS[kind], iso, settled)
  return {'applied', 'dead'}
end
if retries_left and tonumber(retries_left) then -- a stock job's own count, which RQ's readers show
  redis.call('HSET', key, 'retries_left', int(math.max(0, tonumber(retries_left) - 1)))
  bump(key, 'number_of_retries')
end
if delay_us > 0 then
  redis.call('ZADD', rq_key('scheduled', queue), seconds(now_us + delay_us), id)
  redis.call('HSET', key, 'status', 'scheduled', 'exec', '', 'settled', settled)
else
  redis.call('RPUSH', rq_key('queue', queue), id)
  redis.call('HSET', key, 'status', 'queued', 'exec', '', 'settled', settled)
  wake(queue)
end
return {'applied', 'retry'}
