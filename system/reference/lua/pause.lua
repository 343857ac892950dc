-- pause: an operator stops a queue's grants; running jobs go on.
-- ARGV: queue, epoch (of the queue's control as the operator saw it, '0' if absent), request (an id of this wish),
--   actor, origin, reason
-- Precondition: nobody has changed the control since (compare and set), and it is not paused.
-- Effect: claims skip the queue, with who and why to be seen; the epoch grows.
-- Reply: {applied | replayed, epoch} | {refused, why, epoch}
local queue, epoch, request, actor, origin, reason = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
if not tonumber(epoch) or request == '' or not reason then return refuse('pause: bad arguments') end
local key = sp_key('ctl', queue)
local known = redis.call('HMGET', key, 'epoch', 'request', 'paused')
redis.call('XLEN', AUDIT_KEY)
local current, before = known[1] or '0', known[3] and 'paused' or 'open'

if known[2] == request then return {'replayed', current} end
local why = (current ~= epoch and 'changed since') or (known[3] and 'already paused')
if why then
  audit(actor, origin, 'pause', queue, '', reason, before, 'refused: ' .. why)
  return {'refused', why, current}
end
local new = int(tonumber(current) + 1)
redis.call('HSET', key, 'paused', 1, 'paused_by', actor, 'paused_reason', reason, 'epoch', new, 'request', request)
audit(actor, origin, 'pause', queue, '', reason, before, 'applied')
return {'applied', new}
