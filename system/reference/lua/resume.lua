-- resume: an operator lets a queue grant again; an open breaker is closed, too.
-- ARGV: queue, epoch (of the queue's control as the operator saw it, '0' if absent), request (an id of this wish),
--   actor, origin, reason
-- Precondition: nobody has changed the control since (compare and set), and it is paused or its breaker open.
-- Effect: claims see the queue again; the epoch grows; a slot is woken.
-- Reply: {applied | replayed, epoch} | {refused, why, epoch}
local queue, epoch, request, actor, origin, reason = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
if not tonumber(epoch) or request == '' or not reason then return refuse('resume: bad arguments') end
local key, breaker = sp_key('ctl', queue), sp_key('breaker', queue)
local known = redis.call('HMGET', key, 'epoch', 'request', 'paused')
local broken = redis.call('HGET', breaker, 'open')
redis.call('XLEN', AUDIT_KEY)
local current, before = known[1] or '0', (known[3] and 'paused') or (broken and 'breaker open') or 'open'

if known[2] == request then return {'replayed', current} end
local why = (current ~= epoch and 'changed since') or (before == 'open' and 'not paused')
if why then
  audit(actor, origin, 'resume', queue, '', reason, before, 'refused: ' .. why)
  return {'refused', why, current}
end
local new = int(tonumber(current) + 1)
redis.call('HDEL', key, 'paused', 'paused_by', 'paused_reason')
redis.call('HSET', key, 'epoch', new, 'request', request)
redis.call('DEL', breaker)
audit(actor, origin, 'resume', queue, '', reason, before, 'applied')
wake(queue)
return {'applied', new}
