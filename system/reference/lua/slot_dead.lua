-- slot_dead: a supervisor tells that a slot's process is gone.
-- ARGV: slot, counter (crashes | stalls | '' if no body of its ran), bound, reason, iso, worker,
--   trace (base64 of zlib, '' for none)
-- Precondition: the slot is not closed.
-- Effect: closes the slot, so that a late copy of its claim finds nobody. What it still leases: counter + 1, then back to
--   the head of the queue, or a dead letter at the bound.
-- Reply: {applied, requeued | dead | none} | {replayed}
local slot, counter, bound, reason, iso = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local worker, trace = ARGV[6], ARGV[7]
if not bound or not trace or (counter ~= '' and counter ~= 'crashes' and counter ~= 'stalls') then
  return refuse('slot_dead: bad arguments')
end
local slot_key = sp_key('slot', slot)
local known = redis.call('HMGET', slot_key, 'closed', 'seq', 'queue', 'job')
if known[1] then return {'replayed'} end
local exec, queue, id = slot .. '.' .. (known[2] or ''), known[3], known[4]
local held = queue and queue ~= '' and holds(queue, id, exec)
redis.call('HSET', slot_key, 'closed', 1)
redis.call('EXPIRE', slot_key, SLOT_TTL_S)
if not held then return {'applied', 'none'} end
drop_lease(queue, id, exec)
if trace ~= '' then
  redis.call('XADD', P .. ':results:' .. id, 'MAXLEN', 10, '*', 'type', 2, 'worker_name', worker, 'exc_string', trace)
end
return {'applied', interrupted(queue, id, counter, bound, reason, iso, exec .. ' slot_dead')}
