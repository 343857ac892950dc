-- sweep: leases that ended are taken back.
-- ARGV: queue, jobs_max, stalls_max, lease_us, interval_us (of this worker's sweeps), iso
-- Precondition, for each: its deadline is past, and no hold is on.
-- Effect: stalls + 1, then back to the head of the queue (or cancelled, if that was asked for), or a dead letter at
--   stalls_max. Entries of RQ's registry of running jobs that no lease backs are removed. Where nobody has swept for
--   three intervals, or another Redis process answers (Redis was away, or all workers were), whoever holds a job gets
--   the time to renew first: a hold of one lease, once a gap (rule 5). At most HOLDS_MAX follow each other before a
--   sweep that takes back: where every sweep is late, leases must end all the same. A clock that stepped back does not
--   lengthen a hold.
-- Reply: {applied, number requeued, number dead, number cancelled, µs that the hold lasts on}
local queue, jobs_max, stalls_max = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local lease_us, interval_us, iso = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
if not jobs_max or not stalls_max or not lease_us or not interval_us or not iso then
  return refuse('sweep: bad arguments')
end
local HOLDS_MAX = 3
local key, lease = sp_key('sweep', queue), sp_key('lease', queue)
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local known = redis.call('HMGET', key, 'last', 'run_id', 'hold_until', 'holds')
local last_us, holds_before = tonumber(known[1] or 0), tonumber(known[4] or 0)
local hold_until_us = math.min(tonumber(known[3] or 0), now_us + lease_us)
if now_us - last_us > 3 * interval_us or known[2] ~= run_id then
  if holds_before < HOLDS_MAX then
    hold_until_us = now_us + lease_us
    bump(key, 'holds')
  end
  redis.call('HSET', key, 'gap_from', int(last_us), 'gap_to', int(now_us), 'run_id', run_id)
end
redis.call('HSET', key, 'last', int(now_us), 'hold_until', int(hold_until_us), 'interval_us', int(interval_us),
  'lease_us', int(lease_us))

local counts = {requeued = 0, dead = 0, cancelled = 0}
if now_us >= hold_until_us then
  if holds_before > 0 then redis.call('HDEL', key, 'holds') end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', lease, '-inf', '(' .. int(now_us), 'LIMIT', 0, jobs_max)) do
    local exec = redis.pcall('HGET', job_key(id), 'exec')
    if type(exec) ~= 'string' then -- its record was deleted under it
      redis.call('ZREM', lease, id)
    else
      remember_failure(id, '', '', 'stalled', 'stalled', '')
      local fate = interrupted(queue, id, 'stalls', stalls_max, 'stalled', iso, exec .. ' sweep')
      drop_lease(queue, id, exec)
      observe(queue, exec, 'stalled')
      audit_run(queue, id, exec, fate, '', '')
      counts[fate] = counts[fate] + 1
    end
  end
end
local wip = rq_key('wip', queue)
for _, entry in ipairs(redis.call('ZRANGE', wip, 0, jobs_max - 1)) do
  local id, exec = string.match(entry, '^(.*):([^:]*)$')
  if id and not holds(queue, id, exec) then redis.call('ZREM', wip, entry) end
end
return {'applied', counts.requeued, counts.dead, counts.cancelled, int(math.max(0, hold_until_us - now_us))}
