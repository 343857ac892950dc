-- abort: a supervisor gives back a job whose slot it killed: at the end of the grace period of a stop, or because the
--   job's cancellation was asked for.
-- ARGV: queue, id, exec
-- Precondition: exec is the job's lease, and its slot is dead.
-- Effect: drops the lease; back to the head of the queue, or cancelled if that was asked for; counts nothing, since the
--   end was an operator's wish.
-- Reply: {applied, requeued | cancelled} | {replayed} | {lost}
local queue, id, exec = ARGV[1], ARGV[2], ARGV[3]
if not exec then return refuse('abort: bad arguments') end
if not holds(queue, id, exec) then
  return {was_taken(id, exec, 'abort') and 'replayed' or 'lost'}
end
local fate = push_front(queue, id, exec .. ' abort')
drop_lease(queue, id, exec)
return {'applied', fate}
