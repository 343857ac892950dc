-- promote: delayed jobs that are due begin to wait.
-- ARGV: queue, jobs_max
-- Precondition, for each: it is due.
-- Effect: delayed -> waiting, in the order of their due times; ids that are no job are dropped.
-- Reply: {applied, number promoted, µs until the next is due ('' if none is delayed)}
local queue, jobs_max = ARGV[1], tonumber(ARGV[2])
if not jobs_max then return refuse('promote: bad arguments') end
local delayed, list = rq_key('scheduled', queue), rq_key('queue', queue)
redis.call('LLEN', list)
local promoted = 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', delayed, '-inf', seconds(now_us), 'LIMIT', 0, jobs_max)) do
  redis.call('ZREM', delayed, id)
  local data = redis.pcall('HGET', job_key(id), 'data')
  if type(data) == 'string' then
    redis.call('RPUSH', list, id)
    redis.call('HSET', job_key(id), 'status', 'queued')
    promoted = promoted + 1
  end
end
if promoted > 0 then wake(queue) end
local next_due = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
return {'applied', promoted, next_due[2] and int(math.max(0, tonumber(next_due[2]) * 1000000 - now_us)) or ''}
