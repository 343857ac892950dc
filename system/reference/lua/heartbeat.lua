-- heartbeat: a supervisor renews what its slots hold.
-- ARGV: lease_us, then triples queue, id, exec
-- Precondition, for each: exec is the job's lease.
-- Effect, for those only: the lease ends a lease from now, never earlier than before; RQ's readers see it as started.
-- Reply: {applied, {index, ...}, {index, ...}}: which triples (from 1) are lost, and which are asked to be cancelled
local lease_us = tonumber(ARGV[1])
if not lease_us or lease_us <= 0 or #ARGV % 3 ~= 1 then return refuse('heartbeat: bad arguments') end
local lost, cancelled = {}, {}
for i = 2, #ARGV, 3 do
  local queue, id, exec = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if holds(queue, id, exec) then
    redis.call('ZADD', sp_key('lease', queue), 'XX', 'GT', int(now_us + lease_us), id)
    redis.call('ZADD', rq_key('wip', queue), '+inf', id .. ':' .. exec)
    if redis.call('HEXISTS', job_key(id), 'cancel_request') == 1 then cancelled[#cancelled + 1] = (i + 1) / 3 end
  else
    lost[#lost + 1] = (i + 1) / 3
  end
end
return {'applied', lost, cancelled}
