-- register: a worker's configuration of a queue becomes the current one.
-- ARGV: queue, version, digest, place (where that configuration is written), replaces ('0', or for a rollback the
--   version that is to be replaced), actor, origin, reason, field, value, ... (limits: see FIELDS)
-- Precondition: version is higher than the current one, or `replaces` is the current one.
-- Effect: the limits hold from now on, for every worker; workers of another version are told `superseded` by claim.
-- Reply: {applied | known, version, place} | {conflict, version, the other's place} (one version, two contents) |
--   {superseded, current version, its place}
local FIELDS = {concurrency = true, rate_name = true, rate_n = true, rate_window_us = true, sweep_interval_us = true,
  lease_us = true, audit_executions = true, breaker_rate = true, breaker_min_runs = true, breaker_window_us = true,
  breaker_open_us = true}
local queue, version, digest, place, replaces = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
local actor, origin, reason = ARGV[6], ARGV[7], ARGV[8]
if not version or version < 1 or not replaces or not reason or #ARGV % 2 == 1 then return refuse('register: bad arguments') end
for i = 9, #ARGV, 2 do
  if not FIELDS[ARGV[i]] then return refuse('register: no such field: ' .. ARGV[i]) end
end

local key = sp_key('ctl', queue)
local known = redis.call('HMGET', key, 'version', 'digest', 'place')
redis.call('XLEN', AUDIT_KEY)
local current = tonumber(known[1] or 0)
if version == current then
  if digest == known[2] then return {'known', known[1], known[3]} end
  return {'conflict', known[1], known[3]}
end
if version < current and replaces ~= current then return {'superseded', known[1], known[3]} end

for name in pairs(FIELDS) do redis.call('HDEL', key, name) end
redis.call('HSET', key, 'version', int(version), 'digest', digest, 'place', place, unpack(ARGV, 9))
local action = version < current and 'activate' or 'register'
audit(actor, origin, action, queue, '', reason, 'version ' .. int(current), 'applied: version ' .. int(version))
if redis.call('EXISTS', rq_key('queue', queue)) == 1 then wake(queue) end
return {'applied', int(version), place}
