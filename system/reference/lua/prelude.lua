-- Put before every transition. KEYS[1] is the prefix that heads every key: it names the Cluster slot (where the prefix
-- is braced) and what an ACL must allow. A job's own key can't be declared, since a claim learns its id in the script.
-- Time is the server's (rule 4). `us .. ''` would print 1.79e+15, hence `int` (rule 11).
local P = KEYS[1]
local clock = redis.call('TIME')
local now_us = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local WAKE_TOKENS_MAX = 16
local SLOT_TTL_S = 86400

local function int(number) return string.format('%.0f', number) end
local function seconds(us) return string.format('%.6f', us / 1000000) end
local function job_key(id) return P .. ':job:' .. id end
local function rq_key(kind, queue) return P .. ':' .. kind .. ':' .. queue end
local function sp_key(kind, name) return P .. ':sp:' .. kind .. ':' .. name end

-- Refuses the call. Nothing has been written by then, which is what lets a producer call it rejected.
local function refuse(why) return redis.error_reply('STORMQ ' .. why) end

-- Whether `exec` is the identity of the job's current lease (rule 1). A lease past its deadline counts until it is swept.
local function holds(queue, id, exec)
  return exec ~= '' and redis.pcall('HGET', job_key(id), 'exec') == exec
    and redis.call('ZSCORE', sp_key('lease', queue), id) ~= false
end

-- HINCRBY would raise, between writes, on a field that somebody else filled with text.
local function bump(key, field)
  local count = (tonumber(redis.call('HGET', key, field) or 0) or 0) + 1
  redis.call('HSET', key, field, int(count))
  return count
end

-- Whether this very step was taken before: the caller sends again because its reply was lost.
local function was_taken(id, exec, step) return redis.call('HGET', job_key(id), 'settled') == exec .. ' ' .. step end

local function drop_lease(queue, id, exec)
  redis.call('ZREM', sp_key('lease', queue), id)
  redis.call('ZREM', rq_key('wip', queue), id .. ':' .. exec)
end

-- One token wakes one waiting slot; each claim hands the token on while jobs remain, so a few suffice (rule 8).
local function wake(queue)
  local key = sp_key('wake', queue)
  if redis.call('LLEN', key) < WAKE_TOKENS_MAX then redis.call('LPUSH', key, '') end
end

-- Back to the head of its queue: it has waited its turn already.
local function push_front(queue, id, settled)
  redis.call('LPUSH', rq_key('queue', queue), id)
  redis.call('HSET', job_key(id), 'status', 'queued', 'exec', '', 'settled', settled)
  wake(queue)
end

-- Ends a job as a dead letter. RQ's readers delete expired entries of `failed`, hence +inf there.
local function bury(queue, id, reason, iso, settled)
  redis.call('ZADD', sp_key('dead', queue), seconds(now_us), id)
  redis.call('ZADD', rq_key('failed', queue), '+inf', id)
  redis.call('HSET', job_key(id), 'status', 'failed', 'exec', '', 'settled', settled,
    'dead_reason', reason, 'ended_at', iso)
end

-- Counts one more `counter` (crashes, stalls; '' counts nothing), then requeues the job or, at its bound, buries it.
local function interrupted(queue, id, counter, bound, reason, iso, settled)
  if counter ~= '' and bump(job_key(id), counter) >= bound then
    bury(queue, id, reason, iso, settled)
    return 'dead'
  end
  push_front(queue, id, settled)
  return 'requeued'
end
