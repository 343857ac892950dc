-- requeue: an operator, or a rule of theirs, gives a dead letter another life.
-- ARGV: queue, id, death (the job's `settled` as the operator saw it), times_max ('' for any: how many requeues of this
--   job are allowed in all), delay_us, iso, actor, origin, reason
-- Precondition: it is dead, of that very death: a late copy can't undo a later one.
-- Effect: dead -> waiting (at the tail) or delayed, its counts afresh, requeues + 1.
-- Reply: {applied | replayed} | {refused, why}
local queue, id, death, times_max, delay_us = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local iso, actor, origin, reason = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
if death == '' or not within(delay_us, 0) or not reason or (ARGV[4] ~= '' and not times_max) then
  return refuse('requeue: bad arguments')
end
local key = job_key(id)
local job = redis.call('HMGET', key, 'settled', 'requeued_from', 'requeues', 'dead_reason', 'status')
local dead = redis.call('ZSCORE', sp_key('dead', queue), id)
redis.call('XLEN', AUDIT_KEY)
redis.call('LLEN', rq_key('queue', queue))
if job[2] == death then return {'replayed'} end
local why = (not dead and 'not dead') or (job[1] ~= death and 'another death')
  or (times_max and (tonumber(job[3] or 0) or 0) >= times_max and 'requeued often enough')
if why then
  audit(actor, origin, 'requeue', queue, id, reason, job[5] or '', 'refused: ' .. why)
  return {'refused', why}
end
begin_life(queue, id)
local status = delay_us > 0 and 'scheduled' or 'queued'
redis.call('HSET', key, 'requeued_from', death, 'status', status, 'enqueued_at', iso)
if delay_us > 0 then
  redis.call('ZADD', rq_key('scheduled', queue), seconds(now_us + delay_us), id)
else
  redis.call('RPUSH', rq_key('queue', queue), id)
  wake(queue)
end
audit(actor, origin, 'requeue', queue, id, reason, 'dead: ' .. (job[4] or ''), 'applied')
return {'applied'}
