-- discard: a dead letter is removed: by an operator, after it was archived, or at the end of its retention.
-- ARGV: queue, id, death (the job's `settled` as seen; '' if its record is gone: a stock tool deleted it),
--   action (discard | archive | expire), actor, origin, reason
-- Precondition: it is dead, of that very death.
-- Effect: removes record, results and every mention; leaves a stub until late copies of its enqueue are past their
--   window (rule 3), and for STUB_US at least, by which a repeat of this call is known.
-- Reply: {applied | replayed} | {refused, why}
local ACTIONS = {discard = true, archive = true, expire = true}
local STUB_US = 60000000
local queue, id, death, action, actor, origin, reason = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
if not death or not ACTIONS[action] or not reason then return refuse('discard: bad arguments') end
local key = job_key(id)
local job = redis.call('HMGET', key, 'settled', 'discarded', 'not_after', 'dead_reason', 'status')
local dead = redis.call('ZSCORE', sp_key('dead', queue), id)
redis.call('XLEN', AUDIT_KEY)
if job[2] == death then return {'replayed'} end
local why = (not dead and 'not dead') or (((job[1] or '') ~= death or (death == '' and job[5])) and 'another death')
if why then
  audit(actor, origin, action, queue, id, reason, job[5] or '', 'refused: ' .. why)
  return {'refused', why}
end
unbury(queue, id)
redis.call('DEL', key, results_key(id))
redis.call('HSET', key, 'discarded', death, 'not_after', job[3] or '0', 'origin', queue)
expire_record(id, STUB_US)
audit(actor, origin, action, queue, id, reason, 'dead: ' .. (job[4] or ''), 'applied')
return {'applied'}
