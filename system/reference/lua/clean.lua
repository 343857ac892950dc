-- clean: what is kept no longer is removed, a bounded batch at a time.
-- ARGV: queue, jobs_max, keep_finished ('' for all until their time to live is over), audit_keep_s
-- Precondition, for each: its time is over, or it is a finished job beyond the last keep_finished.
-- Effect: entries of the finished and cancelled registries go (their records expire by themselves); finished jobs
--   beyond the number go with records and results, a stub staying for late copies (rule 3); old audit lines go.
-- Reply: {applied, number removed, '1' if there is more to do}
local queue, jobs_max, keep, audit_keep_s = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if not within(jobs_max, 1, 5000) or not within(audit_keep_s, 0) or (ARGV[3] ~= '' and not keep) then
  return refuse('clean: bad arguments')
end
local finished = rq_key('finished', queue)
local removed, more = 0, ''
for _, key in ipairs({finished, rq_key('canceled', queue)}) do
  local over = redis.call('ZRANGEBYSCORE', key, '-inf', seconds(now_us), 'LIMIT', 0, jobs_max)
  if #over > 0 then removed = removed + redis.call('ZREM', key, unpack(over)) end
  if #over == jobs_max then more = '1' end
end
local excess = keep and math.min(jobs_max, redis.call('ZCARD', finished) - keep) or 0
if excess == jobs_max then more = '1' end
for _, id in ipairs(excess > 0 and redis.call('ZRANGE', finished, 0, excess - 1) or {}) do
  redis.call('ZREM', finished, id)
  local job = redis.pcall('HMGET', job_key(id), 'status', 'not_after')
  if not job.err and job[1] == 'finished' then -- a stock tool may have put it into the queue again
    make_stub(id)
    redis.call('DEL', results_key(id))
    expire_record(id, 0)
  end
  removed = removed + 1
end
redis.call('XTRIM', AUDIT_KEY, 'MINID', '~', int(math.max(0, (now_us - audit_keep_s * 1000000) / 1000)))
return {'applied', removed, more}
