-- sweep: leases that ended are taken back.
-- ARGV: queue, jobs_max, stalls_max, iso
-- Precondition, for each: its deadline is past.
-- Effect: stalls + 1, then back to the head of the queue, or a dead letter at stalls_max. Entries of RQ's registries
--   that no lease or no time backs any more are removed.
-- Reply: {applied, number requeued, number dead}
local queue, jobs_max, stalls_max, iso = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
if not jobs_max or not stalls_max or not iso then return refuse('sweep: bad arguments') end
local lease = sp_key('lease', queue)
local requeued, dead = 0, 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', lease, '-inf', '(' .. int(now_us), 'LIMIT', 0, jobs_max)) do
  local exec = redis.pcall('HGET', job_key(id), 'exec')
  if type(exec) ~= 'string' then -- its record was deleted under it
    redis.call('ZREM', lease, id)
  else
    drop_lease(queue, id, exec)
    local fate = interrupted(queue, id, 'stalls', stalls_max, 'stalled', iso, exec .. ' sweep')
    if fate == 'dead' then dead = dead + 1 else requeued = requeued + 1 end
  end
end
local wip = rq_key('wip', queue)
for _, entry in ipairs(redis.call('ZRANGE', wip, 0, jobs_max - 1)) do
  local id, exec = string.match(entry, '^(.*):([^:]*)$')
  if id and not holds(queue, id, exec) then redis.call('ZREM', wip, entry) end
end
redis.call('ZREMRANGEBYSCORE', rq_key('finished', queue), '-inf', seconds(now_us))
redis.call('HSET', sp_key('sweep', queue), 'last', int(now_us))
return {'applied', requeued, dead}
