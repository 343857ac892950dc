-- abort: a supervisor gives back a job whose slot it killed at the end of the grace period of a stop.
-- ARGV: queue, id, exec
-- Precondition: exec is the job's lease, and its slot is dead.
-- Effect: drops the lease; back to the head of the queue; counts nothing, since the stop was the operator's.
-- Reply: {applied | replayed | lost}
local queue, id, exec = ARGV[1], ARGV[2], ARGV[3]
if not exec then return refuse('abort: bad arguments') end
if not holds(queue, id, exec) then
  return {was_taken(id, exec, 'abort') and 'replayed' or 'lost'}
end
drop_lease(queue, id, exec)
push_front(queue, id, exec .. ' abort')
return {'applied'}
