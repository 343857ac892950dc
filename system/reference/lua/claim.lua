-- claim: a slot asks for its next job, from several queues in the order given.
-- ARGV: slot (incarnation), seq (from 1), lease_us, worker, version (of its configuration, '' for none), iso,
--   queue, ...
-- Precondition: the slot is open, seq is higher than any before, and no queue is configured in another version.
-- Effect: pops the first id that is a job without a lease, from the first queue that may grant; leases it to
--   exec = slot.seq with a new fence. A queue grants unless it is paused, holds as many leases as its concurrency, has
--   granted as many as its rate in the last window, or its breaker is open (half-open: one job, the probe). Ids that
--   are no job, hold a lease already (pushed twice) or were cancelled, are dropped, a bounded number a claim. A dead
--   letter that stock RQ requeued starts afresh.
--   The same seq again answers what that claim still leases, its fence reissued; it counts against no limit again.
-- Reply: {closed | stale} | {superseded, queue} | {none, µs until a rate or a breaker allows the next, '' if unknown} |
--   {claimed | replayed, queue, id, exec, fence, what is not implemented, field, ...} with FIELDS in their order.
local FIELDS = {'data', 'status', 'not_after', 'attempts', 'timeouts', 'crashes', 'stalls', 'timeout', 'timeout_ms',
  'result_ttl', 'max_attempts', 'retries_left', 'retry_intervals', 'dead_reason', 'user', 'enqueued_at'}
local STATUS, NOT_AFTER, DEAD_REASON = 2, 3, 14
local STOCK_ONLY = {'dependency_id', 'dependency_ids', 'group_id', 'repeats_left', 'webhooks', 'rate_limit_key',
  'success_callback_name', 'failure_callback_name', 'stopped_callback_name'}
local LIMITS = {'paused', 'concurrency', 'rate_name', 'rate_n', 'rate_window_us', 'breaker_rate', 'breaker_open_us'}
local DROPS_MAX = 64
local SLOT_KEPT_US = 3600000000 -- its record's time to live is renewed at most so often
local RATE_SPARE_MS = 60000

local slot, seq, lease_us = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local worker, version, iso = ARGV[4], ARGV[5], ARGV[6]
if not seq or seq < 1 or not lease_us or lease_us <= 0 or #ARGV < 7 then return refuse('claim: bad arguments') end
local slot_key, exec = sp_key('slot', slot), slot .. '.' .. ARGV[2]
local known = redis.call('HMGET', slot_key, 'seq', 'closed', 'queue', 'job', 'kept_at')
local last = tonumber(known[1] or 0)
if known[2] or (not known[1] and seq ~= 1) then return {'closed'} end
if seq < last then return {'stale'} end
local last_fence = redis.call('GET', FENCE_KEY) -- raises on a foreign type, so before the first write

local function grant(word, queue, id, job)
  local fence = math.max((tonumber(last_fence or 0) or 0) + 1, now_us)
  redis.call('ZADD', sp_key('lease', queue), 'GT', int(now_us + lease_us), id)
  redis.call('SET', FENCE_KEY, int(fence))
  redis.call('HSET', job_key(id), 'exec', exec, 'fence', int(fence), 'status', 'started', 'started_at', iso,
    'worker_name', worker)
  local unsupported = ''
  if not job[NOT_AFTER] then
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
  return {'none', ''}
end
if version ~= '' then
  for i = 7, #ARGV do
    local current = redis.call('HGET', sp_key('ctl', ARGV[i]), 'version')
    if current and current ~= version then return {'superseded', ARGV[i]} end
  end
end

local function remember(queue, id)
  local kept_us = tonumber(known[5] or 0)
  if now_us >= kept_us and now_us - kept_us < SLOT_KEPT_US then
    redis.call('HSET', slot_key, 'seq', ARGV[2], 'queue', queue, 'job', id)
  else
    redis.call('HSET', slot_key, 'seq', ARGV[2], 'queue', queue, 'job', id, 'kept_at', int(now_us))
    redis.call('EXPIRE', slot_key, SLOT_TTL_S)
  end
end

-- A dead letter in the list was requeued by a stock tool, which knows nothing of our counts.
local function revive(queue, id)
  begin_life(queue, id)
  redis.call('HDEL', job_key(id), 'settled')
  audit('rq', worker, 'requeue', queue, id, 'found in the queue though dead', 'dead', 'applied')
end

-- A rate's ring holds the times of the last grants, the newest first. At most n in any window: the n-th before this one
-- lies more than a window back. (Should the clock step back, each grant still is a window later than the n-th before.)
local function rate_wait_us(limit)
  if not limit[3] then return 0 end
  local nth = redis.call('LINDEX', sp_key('rate', limit[3]), tonumber(limit[4]) - 1)
  return nth and math.max(0, tonumber(nth) + tonumber(limit[5]) + 1 - now_us) or 0
end

-- Open: how long until a probe may go. Half-open with a probe under way: its end wakes.
local function breaker_wait_us(queue, limit)
  if not limit[6] then return 0 end
  local state = redis.call('HMGET', sp_key('breaker', queue), 'open', 'open_until', 'probe', 'probe_job')
  if not state[1] then return 0 end
  if state[3] and holds(queue, state[4], state[3]) then return math.huge end
  local left_us = tonumber(state[2]) - now_us
  return left_us > tonumber(limit[7]) and 0 or math.max(0, left_us) -- more than it opens for: the clock stepped back
end

-- 0: the queue may grant. Else after how long it is worth asking again; huge: something else will wake.
local function wait_us(queue, limit)
  if limit[1] then return math.huge end
  if limit[2] and redis.call('ZCARD', sp_key('lease', queue)) >= tonumber(limit[2]) then return math.huge end
  return math.max(rate_wait_us(limit), breaker_wait_us(queue, limit))
end

local function count_grant(queue, id, limit)
  if limit[3] then
    local ring = sp_key('rate', limit[3])
    redis.call('LPUSH', ring, int(now_us))
    redis.call('LTRIM', ring, 0, GRANTS_MAX - 1)
    local keep_ms = int(math.ceil(tonumber(limit[5]) / 1000) + RATE_SPARE_MS)
    redis.call('PEXPIRE', ring, keep_ms, 'NX')
    redis.call('PEXPIRE', ring, keep_ms, 'GT') -- queues that share it may have longer windows
  end
  if limit[6] and redis.call('HEXISTS', sp_key('breaker', queue), 'open') == 1 then
    redis.call('HSET', sp_key('breaker', queue), 'probe', exec, 'probe_job', id)
  end
end

local soonest_us = math.huge
for i = 7, #ARGV do
  local queue = ARGV[i]
  local list = rq_key('queue', queue)
  local limit = redis.call('HMGET', sp_key('ctl', queue), unpack(LIMITS))
  local blocked_us = wait_us(queue, limit)
  if blocked_us > 0 and redis.call('EXISTS', list) == 1 then soonest_us = math.min(soonest_us, blocked_us) end
  for dropped = 1, blocked_us == 0 and DROPS_MAX or 0 do
    local id = redis.call('LINDEX', list, 0)
    if not id then break end
    local leased = redis.call('ZSCORE', sp_key('lease', queue), id)
    local job = redis.pcall('HMGET', job_key(id), unpack(FIELDS))
    redis.call('LPOP', list)
    if not leased and not job.err and job[1] and job[STATUS] ~= 'canceled' then
      if job[DEAD_REASON] then
        revive(queue, id)
        job = redis.call('HMGET', job_key(id), unpack(FIELDS))
      end
      if job[STATUS] == 'finished' then
        redis.call('ZREM', rq_key('finished', queue), id)
        redis.call('PERSIST', job_key(id))
      end
      remember(queue, id)
      count_grant(queue, id, limit)
      if redis.call('EXISTS', list) == 1 then wake(queue) end
      return grant('claimed', queue, id, job)
    end
    if dropped == DROPS_MAX then wake(queue) end -- there may be more to drop before a job: soon, not a poll later
  end
end
remember('', '')
return {'none', soonest_us < math.huge and int(soonest_us) or ''}
