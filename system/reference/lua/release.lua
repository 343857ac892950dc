-- release: a slot gives back a job whose body it has not started, because its worker stops.
-- ARGV: queue, id, exec
-- Precondition: exec is the job's lease, and its body was not started.
-- Effect: drops the lease; back to the head of the queue, or cancelled if that was asked for; counts nothing.
-- Reply: {applied, requeued | cancelled} | {replayed} | {lost}
local queue, id, exec = ARGV[1], ARGV[2], ARGV[3]
if not exec then return refuse('release: bad arguments') end
if not holds(queue, id, exec) then
  return {was_taken(id, exec, 'release') and 'replayed' or 'lost'}
end
local fate = push_front(queue, id, exec .. ' release')
drop_lease(queue, id, exec)
return {'applied', fate}
