-- claim: a slot asks for its next job, from several queues in the order given.
-- ARGV: slot (incarnation), seq (from 1), lease_us, worker, iso, queue, ...
-- Precondition: the slot is open and seq is higher than any before.
-- Effect: pops the first id that is a job without a lease; leases it to exec = slot.seq with a new fence. Ids that are
--   no job, or hold a lease already (pushed twice), are dropped. A job that stock RQ requeued starts its counts afresh.
--   The same seq again answers what that claim still leases, its fence reissued.
-- Reply: {closed | stale | none} or {claimed | replayed, queue, id, exec, fence, field, ...} with FIELDS in their order.
local FIELDS = {'data', 'status', 'not_after', 'attempts', 'timeouts', 'crashes', 'stalls', 'timeout', 'timeout_ms',
  'result_ttl', 'max_attempts', 'retries_left', 'retry_intervals', 'dead_reason'}
local STOCK_ONLY = {'dependency_id', 'dependency_ids', 'group_id', 'repeats_left', 'webhooks', 'rate_limit_key',
  'success_callback_name', 'failure_callback_name', 'stopped_callback_name'}
local DROPS_MAX = 64

local slot, seq, lease_us, worker, iso = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5]
if not seq or seq < 1 or not lease_us or lease_us <= 0 or #ARGV < 6 then return refuse('claim: bad arguments') end
local slot_key, exec = sp_key('slot', slot), slot .. '.' .. ARGV[2]
local known = redis.call('HMGET', slot_key, 'seq', 'closed', 'queue', 'job')
local last = tonumber(known[1] or 0)
if known[2] or (not known[1] and seq ~= 1) then return {'closed'} end
if seq < last then return {'stale'} end

local function grant(word, queue, id, job)
  local fence = math.max(tonumber(redis.call('GET', P .. ':sp:fence') or 0) + 1, now_us)
  redis.call('ZADD', sp_key('lease', queue), 'GT', int(now_us + lease_us), id)
  redis.call('SET', P .. ':sp:fence', int(fence))
  redis.call('HSET', job_key(id), 'exec', exec, 'fence', int(fence), 'status', 'started', 'started_at', iso,
    'worker_name', worker)
  local unsupported = ''
  if not job[3] then
    redis.call('PERSIST', job_key(id)) -- stock RQ's time to live is one of waiting
    local values = redis.call('HMGET', job_key(id), unpack(STOCK_ONLY))
    for i, name in ipairs(STOCK_ONLY) do
      if values[i] and values[i] ~= '' and values[i] ~= '[]' then unsupported = name end
    end
    if redis.call('EXISTS', job_key(id) .. ':dependents') == 1 then unsupported = 'dependents' end
  end
  return {word, queue, id, exec, int(fence), unsupported, unpack(job, 1, #FIELDS)}
end

if seq == last then
  local queue, id = known[3], known[4]
  if queue and queue ~= '' and holds(queue, id, exec) then
    return grant('replayed', queue, id, redis.call('HMGET', job_key(id), unpack(FIELDS)))
  end
  return {'none'}
end

local function remember(queue, id)
  redis.call('HSET', slot_key, 'seq', ARGV[2], 'queue', queue, 'job', id)
  if seq % 64 == 1 then redis.call('EXPIRE', slot_key, SLOT_TTL_S) end
end

-- A dead letter in the list was requeued by a stock tool, which knows nothing of our counts.
local function revive(queue, id)
  redis.call('ZREM', sp_key('dead', queue), id)
  redis.call('ZREM', rq_key('failed', queue), id)
  redis.call('HDEL', job_key(id), 'attempts', 'timeouts', 'crashes', 'stalls', 'dead_reason', 'settled')
  redis.call('XADD', P .. ':sp:audit', 'MAXLEN', '~', 10000, '*', 'actor', 'rq', 'action', 'requeue',
    'queue', queue, 'job', id)
end

for i = 6, #ARGV do
  local queue = ARGV[i]
  local list = rq_key('queue', queue)
  for _ = 1, DROPS_MAX do
    local id = redis.call('LINDEX', list, 0)
    if not id then break end
    local leased = redis.call('ZSCORE', sp_key('lease', queue), id)
    local job = redis.pcall('HMGET', job_key(id), unpack(FIELDS))
    redis.call('LPOP', list)
    if not leased and not job.err and job[1] then
      if job[#FIELDS] then
        revive(queue, id)
        job = redis.call('HMGET', job_key(id), unpack(FIELDS))
      end
      if job[2] == 'finished' then
        redis.call('ZREM', rq_key('finished', queue), id)
        redis.call('PERSIST', job_key(id))
      end
      remember(queue, id)
      if redis.call('EXISTS', list) == 1 then wake(queue) end
      return grant('claimed', queue, id, job)
    end
  end
end
remember('', '')
return {'none'}
