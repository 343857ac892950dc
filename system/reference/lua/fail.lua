-- fail: a body failed, timed out, or can't be run at all.
-- ARGV: queue, id, exec, kind (error | timeout | unsupported | unserialisable | rejected), attempts_max, delay_us, iso,
--   worker, trace (base64 of zlib, as RQ's readers expect), error_type, context (JSON, '' for none)
-- Precondition: exec is the job's lease.
-- Effect: drops the lease and stores trace and context. error and timeout: attempts + 1 (timeouts + 1), then delayed by
--   delay_us, or a dead letter at attempts_max: `timeout` if the last one timed out, else `exhausted`; where its
--   cancellation was asked for, cancelled instead of delayed. The other kinds: a dead letter at once, since no further
--   attempt can end differently.
-- Reply: {applied, retry | dead | cancelled} | {replayed} | {lost}
local queue, id, exec, kind, attempts_max = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local delay_us, iso, worker, trace = tonumber(ARGV[6]), ARGV[7], ARGV[8], ARGV[9]
local error_type, context = ARGV[10], ARGV[11]
local REASONS = {error = 'exhausted', timeout = 'timeout', unsupported = 'unsupported',
  unserialisable = 'unserialisable', rejected = 'rejected'}
if not REASONS[kind] or not within(attempts_max, -1e15) or not within(delay_us, 0) or not context then
  return refuse('fail: bad arguments')
end
if not holds(queue, id, exec) then
  return {was_taken(id, exec, 'fail') and 'replayed' or 'lost'}
end

local key, settled = job_key(id), exec .. ' fail'
local counted = kind == 'error' or kind == 'timeout'
local stored = redis.call('HMGET', key, 'retries_left', 'cancel_request')

local function fate()
  local attempts = counted and bump(key, 'attempts') or attempts_max
  if kind == 'timeout' then bump(key, 'timeouts') end
  if attempts >= attempts_max then return bury(queue, id, REASONS[kind], iso, settled) end
  if stored[1] and tonumber(stored[1]) then -- a stock job's own count, which RQ's readers show
    redis.call('HSET', key, 'retries_left', int(math.max(0, tonumber(stored[1]) - 1)))
    bump(key, 'number_of_retries')
  end
  if stored[2] then return file_cancelled(queue, id, stored[2], settled) end
  if delay_us > 0 then
    redis.call('ZADD', rq_key('scheduled', queue), seconds(now_us + delay_us), id)
    redis.call('HSET', key, 'status', 'scheduled', 'exec', '', 'settled', settled)
  else
    redis.call('RPUSH', rq_key('queue', queue), id)
    redis.call('HSET', key, 'status', 'queued', 'exec', '', 'settled', settled)
    wake(queue)
  end
  return 'retry'
end

remember_failure(id, worker, trace, kind, error_type, context)
local ended = fate()
drop_lease(queue, id, exec)
if counted then observe(queue, exec, error_type ~= '' and error_type or kind) end
audit_run(queue, id, exec, ended, worker, context)
return {'applied', ended}
