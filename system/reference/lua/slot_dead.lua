-- slot_dead: a supervisor tells that a slot's process is gone.
-- ARGV: slot, counter (crashes | stalls | drops | '' if no body of its ran), bound, reason, iso, worker,
--   trace (base64 of zlib, '' for none), context (JSON, '' for none)
-- Precondition: the slot is not closed.
-- Effect: closes the slot, so that a late copy of its claim finds nobody. What it still leases: counter + 1, then back
--   to the head of the queue (or cancelled, if that was asked for), or a dead letter at the bound. `drops`: its living
--   supervisor ended it since the lease could not be renewed. That is no fault of the job's where a gap in the sweeps
--   lay in the lease's life (Redis was away): it goes uncounted then, up to DROPS_MAX times a job; else it counts as a
--   stall (rule 5).
-- Reply: {applied, requeued | dead | cancelled | none} | {replayed}
local COUNTERS = {crashes = true, stalls = true, drops = true, [''] = true}
local DROPS_MAX = 20
local slot, counter, bound, reason, iso = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local worker, trace, context = ARGV[6], ARGV[7], ARGV[8]
if not bound or not context or not COUNTERS[counter] then return refuse('slot_dead: bad arguments') end
local slot_key = sp_key('slot', slot)
local known = redis.call('HMGET', slot_key, 'closed', 'seq', 'queue', 'job')
if known[1] then return {'replayed'} end
local exec, queue, id = slot .. '.' .. (known[2] or ''), known[3], known[4]
local held = queue and queue ~= '' and holds(queue, id, exec)
redis.call('HSET', slot_key, 'closed', 1)
redis.call('EXPIRE', slot_key, SLOT_TTL_S)
if not held then return {'applied', 'none'} end

-- Whether sweeping had paused, or pauses still, within the life of a lease that ends at `deadline_us`.
local function gap_covers(deadline_us)
  local swept = redis.call('HMGET', sp_key('sweep', queue), 'last', 'interval_us', 'lease_us', 'gap_from', 'gap_to')
  if not swept[1] or now_us - tonumber(swept[1]) > 3 * tonumber(swept[2]) then return true end
  return swept[5] and tonumber(swept[5]) > deadline_us - tonumber(swept[3]) and tonumber(swept[4]) < deadline_us
end

if counter == 'drops' then
  counter = 'stalls'
  local drops = tonumber(redis.call('HGET', job_key(id), 'drops') or 0) or 0
  if drops < DROPS_MAX and gap_covers(tonumber(redis.call('ZSCORE', sp_key('lease', queue), id))) then
    bump(job_key(id), 'drops')
    counter = ''
  end
end
if counter ~= '' or trace ~= '' then remember_failure(id, worker, trace, reason, reason, context) end
local fate = interrupted(queue, id, counter, bound, reason, iso, exec .. ' slot_dead')
drop_lease(queue, id, exec)
if counter ~= '' then observe(queue, exec, reason) end
audit_run(queue, id, exec, fate, worker, context)
return {'applied', fate}
