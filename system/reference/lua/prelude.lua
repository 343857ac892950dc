-- Put before every transition. KEYS[1] is the prefix that heads every key: it names the Cluster slot (where the prefix
-- is braced) and what an ACL must allow. A job's own key can't be declared, since a claim learns its id in the script.
-- Time is the server's (rule 4). `us .. ''` would print 1.79e+15, hence `int` (rule 11).
local P = KEYS[1]
local clock = redis.call('TIME')
local now_us = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local WAKE_TOKENS_MAX = 16
local SLOT_TTL_S = 86400
local RESULTS_MAX = 50
local GRANTS_MAX = 1000 -- the most that a rate can count
local FENCE_KEY, AUDIT_KEY = P .. ':sp:fence', P .. ':sp:audit'

local function int(number) return string.format('%.0f', number) end
local function seconds(us) return string.format('%.6f', us / 1000000) end
local function job_key(id) return P .. ':job:' .. id end
local function results_key(id) return P .. ':results:' .. id end
local function rq_key(kind, queue) return P .. ':' .. kind .. ':' .. queue end
local function sp_key(kind, name) return P .. ':sp:' .. kind .. ':' .. name end

-- Whether a number lies within what Redis' times take. 'nan', which Lua reads as a number, does not.
local function within(number, least, most) return number ~= nil and number >= least and number <= (most or 1e15) end

-- Refuses the call. Nothing has been written by then, which is what lets a producer call it rejected.
local function refuse(why) return redis.error_reply('STORMQ ' .. why) end

-- Whether `exec` is the identity of the job's current lease (rule 1). A lease past its deadline counts until it is
-- swept.
local function holds(queue, id, exec)
  return exec ~= '' and redis.pcall('HGET', job_key(id), 'exec') == exec
    and redis.call('ZSCORE', sp_key('lease', queue), id) ~= false
end

-- HINCRBY would raise, between writes, on a field that somebody else filled with text. 'nan' would never reach a bound.
local function bump(key, field)
  local before = tonumber(redis.call('HGET', key, field) or 0)
  local count = (within(before, 0) and before or 0) + 1
  redis.call('HSET', key, field, int(count))
  return count
end

-- Whether this very step was taken before: the caller sends again because its reply was lost.
local function was_taken(id, exec, step) return redis.call('HGET', job_key(id), 'settled') == exec .. ' ' .. step end

-- One token wakes one waiting slot; each claim hands the token on while jobs remain, so a few suffice (rule 8).
local function wake(queue)
  local key = sp_key('wake', queue)
  local tokens = redis.pcall('LLEN', key)
  if type(tokens) == 'number' and tokens < WAKE_TOKENS_MAX then redis.call('LPUSH', key, '') end
end

-- One line of the audit stream; its id is the server's time.
local function audit(actor, origin, action, queue, id, reason, before, outcome)
  redis.call('XADD', AUDIT_KEY, '*', 'actor', actor, 'origin', origin, 'action', action, 'queue', queue, 'job', id,
    'reason', reason, 'before', before, 'outcome', outcome)
end

-- A run's own line, where the queue's configuration asks for it.
local function audit_run(queue, id, exec, outcome, worker, context)
  if redis.call('HGET', sp_key('ctl', queue), 'audit_executions') ~= '1' then return end
  redis.call('XADD', AUDIT_KEY, '*', 'actor', worker, 'origin', exec, 'action', 'run', 'queue', queue, 'job', id,
    'reason', '', 'before', 'started', 'outcome', outcome, 'context', context)
end

-- Circuit breaker. A run of the queue ended: well ('') or with an error of this type. Closed, it counts over a window
-- and opens once one type's share of at least min_runs reaches the rate. Open, only the probe's end matters: it closes
-- or opens again. Runs that began before it opened change nothing.
local function observe(queue, exec, error_type)
  local set = redis.call('HMGET', sp_key('ctl', queue), 'breaker_rate', 'breaker_min_runs', 'breaker_window_us',
    'breaker_open_us')
  if not set[1] then return end
  local key = sp_key('breaker', queue)
  local state = redis.call('HMGET', key, 'open', 'probe', 'window_from', 'runs')
  if state[1] then
    if state[2] ~= exec then return end
    if error_type == '' then
      redis.call('DEL', key)
      audit('stormq', exec, 'breaker_close', queue, '', '', state[1], 'applied')
      wake(queue)
    else
      redis.call('HSET', key, 'open', error_type, 'open_until', int(now_us + tonumber(set[4])))
      redis.call('HDEL', key, 'probe', 'probe_job')
    end
    return
  end
  local from = tonumber(state[3])
  if not from or now_us - from > tonumber(set[3]) or now_us < from then
    redis.call('DEL', key)
    redis.call('HSET', key, 'window_from', int(now_us))
  end
  local runs = bump(key, 'runs')
  if error_type == '' then return end
  local failed = bump(key, 'f:' .. error_type)
  if runs < tonumber(set[2]) or failed / runs < tonumber(set[1]) then return end
  redis.call('DEL', key)
  redis.call('HSET', key, 'open', error_type, 'opened', int(now_us), 'open_until', int(now_us + tonumber(set[4])),
    'seen', int(failed) .. ' of ' .. int(runs))
  local reason = error_type .. ' in ' .. int(failed) .. ' of ' .. int(runs) .. ' runs'
  audit('stormq', exec, 'breaker_open', queue, '', reason, 'closed', 'applied')
end

-- Gives up the lease, once the job has its next place: should a foreign type there raise, the job is leased still.
-- What only RQ's readers need is written by pcall. Where leases are limited, this one's end lets the next job start:
-- somebody must hear of it.
local function drop_lease(queue, id, exec)
  redis.pcall('ZREM', rq_key('wip', queue), id .. ':' .. exec)
  redis.call('ZREM', sp_key('lease', queue), id)
  if redis.call('HGET', sp_key('ctl', queue), 'concurrency') and redis.call('EXISTS', rq_key('queue', queue)) == 1 then
    wake(queue)
  end
end

-- The record is there until its enqueue's late copies are past their window (rule 3), and for `keep_us` at least.
local function expire_record(id, keep_us)
  local window_us = tonumber(redis.call('HGET', job_key(id), 'not_after') or 0) or 0
  redis.call('PEXPIREAT', job_key(id), int(math.ceil(math.max(now_us + keep_us, window_us) / 1000)))
end

-- Takes out of a record what only a job that is kept needs: the rest is a stub, by which late copies are known.
local function make_stub(id)
  redis.call('HDEL', job_key(id), 'data', 'description', 'started_at', 'worker_name', 'enqueued_at')
end

-- Ends a job as cancelled; it is kept as long as the request said ('seconds iso').
local function file_cancelled(queue, id, request, settled)
  local keep_s, iso = string.match(request, '^(%d+) (.*)$')
  local keep_us = math.min(tonumber(keep_s or 0), 1e9) * 1000000
  redis.call('ZADD', rq_key('canceled', queue), seconds(now_us + keep_us), id)
  redis.call('HSET', job_key(id), 'status', 'canceled', 'exec', '', 'settled', settled, 'ended_at', iso or '')
  redis.call('HDEL', job_key(id), 'cancel_request')
  expire_record(id, keep_us)
  redis.call('PEXPIRE', results_key(id), int(keep_us / 1000))
  return 'cancelled'
end

-- Back to the head of its queue: it has waited its turn already. If its cancellation was asked for, it ends instead.
local function push_front(queue, id, settled)
  local request = redis.call('HGET', job_key(id), 'cancel_request')
  if request then return file_cancelled(queue, id, request, settled) end
  redis.call('LPUSH', rq_key('queue', queue), id)
  redis.call('HSET', job_key(id), 'status', 'queued', 'exec', '', 'settled', settled)
  wake(queue)
  return 'requeued'
end

-- One more line of the job's history of runs, in the stream that RQ's readers know; they ignore our fields.
local function remember_failure(id, worker, trace, kind, error_type, context)
  local entry = {'type', 2, 'worker_name', worker, 'kind', kind, 'error_type', error_type, 'context', context}
  if trace ~= '' then
    entry[#entry + 1] = 'exc_string'
    entry[#entry + 1] = trace
  end
  redis.pcall('XADD', results_key(id), 'MAXLEN', RESULTS_MAX, '*', unpack(entry))
  local decoded, told = pcall(cjson.decode, context ~= '' and context or '{}')
  local message = decoded and type(told) == 'table' and type(told.message) == 'string' and told.message or ''
  redis.call('HSET', job_key(id), 'error_type', error_type, 'error_message', string.sub(message, 1, 500))
end

-- Ends a job as a dead letter. RQ's readers delete expired entries of `failed`, hence +inf there. `settled` names this
-- death: an operator's step must present it.
local function bury(queue, id, reason, iso, settled)
  redis.call('ZADD', sp_key('dead', queue), seconds(now_us), id)
  redis.pcall('ZADD', rq_key('failed', queue), '+inf', id)
  redis.call('HDEL', job_key(id), 'cancel_request')
  redis.call('HSET', job_key(id), 'status', 'failed', 'exec', '', 'settled', settled,
    'dead_reason', reason, 'ended_at', iso)
  return 'dead'
end

-- Takes a dead letter off the lists of them.
local function unbury(queue, id)
  redis.call('ZREM', sp_key('dead', queue), id)
  redis.pcall('ZREM', rq_key('failed', queue), id)
end

-- Counts one more `counter` (crashes, stalls; '' counts nothing), then requeues the job or, at its bound, buries it.
local function interrupted(queue, id, counter, bound, reason, iso, settled)
  if counter ~= '' and bump(job_key(id), counter) >= bound then return bury(queue, id, reason, iso, settled) end
  return push_front(queue, id, settled)
end

-- A dead letter gets another life, which starts afresh: nothing counts that the earlier one left in its record.
local function begin_life(queue, id)
  unbury(queue, id)
  redis.call('HDEL', job_key(id), 'attempts', 'timeouts', 'crashes', 'stalls', 'drops', 'dead_reason', 'error_type',
    'error_message', 'ended_at')
  bump(job_key(id), 'requeues')
end
