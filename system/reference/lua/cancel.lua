-- cancel: an operator ends a job that has not ended yet.
-- ARGV: queue, id, life (the job's `requeues` as the operator saw it, '0' if absent), not_after (server µs),
--   keep_s (how long the cancelled job is kept), iso, actor, origin, reason
-- Precondition: now <= not_after; the job is in the life that was seen, and has no outcome.
-- Effect: waiting or delayed: cancelled at once (a look through the whole list). Leased: a request, which the next
--   heartbeat tells its worker, and which every way back to the queue heeds; an outcome that comes first wins.
-- Reply: {applied | replayed, cancelled | requested} | {refused, why}
local queue, id, life, not_after_us, keep_s = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local iso, actor, origin, reason = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
if not within(not_after_us, 0, 1e17) or not within(keep_s, 0, 1e9) or not reason then
  return refuse('cancel: bad arguments')
end
local key, request = job_key(id), int(keep_s) .. ' ' .. iso
local job = redis.call('HMGET', key, 'status', 'requeues', 'cancel_request', 'settled', 'origin')
redis.call('XLEN', AUDIT_KEY)

local function answer(word, what)
  if word ~= 'replayed' then
    audit(actor, origin, 'cancel', queue, id, reason, job[1] or '', word == 'refused' and 'refused: ' .. what or what)
  end
  return {word, what}
end

if not job[1] or job[5] ~= queue then return answer('refused', 'no such job') end
if now_us > not_after_us then return answer('refused', 'expired') end
if (job[2] or '0') ~= life then return answer('refused', 'requeued since') end
if redis.call('ZSCORE', rq_key('canceled', queue), id) then return answer('replayed', 'cancelled') end
if redis.call('ZSCORE', sp_key('lease', queue), id) then
  if job[3] then return answer('replayed', 'requested') end
  redis.call('HSET', key, 'cancel_request', request)
  return answer('applied', 'requested')
end
local dead = redis.call('ZSCORE', sp_key('dead', queue), id)
local taken = not dead and (redis.call('ZREM', rq_key('scheduled', queue), id) == 1
  or redis.call('LREM', rq_key('queue', queue), 0, id) > 0)
if not taken then return answer('refused', dead and 'dead' or job[1]) end
file_cancelled(queue, id, request, job[4] or '')
return answer('applied', 'cancelled')
