-- register: a worker's configuration of a queue becomes the current one.
-- ARGV: queue, version, digest, place (where that configuration is written), replaces ('0', or for a rollback the
--   version that is to be replaced), actor, origin, reason, field, value, ... (limits: see FIELDS)
-- Precondition: version is higher than any before, or `replaces` is the current one: after a rollback, a worker that
--   starts again with the version that was rolled back does not undo it. Limits that go together come together.
-- Effect: the limits hold from now on, for every worker; workers of another version are told `superseded` by claim.
-- Reply: {applied | known, version, place} | {conflict, version, the other's place} (one version, two contents) |
--   {superseded, current version, its place}

-- What each takes: a least and a largest whole number, or a share, or any text.
local TIME_US = {1, 1e15}
local FIELDS = {concurrency = {1, 1e9}, rate_name = 'text', rate_n = {1, GRANTS_MAX}, rate_window_us = TIME_US,
  sweep_interval_us = TIME_US, lease_us = TIME_US, audit_executions = {0, 1}, breaker_rate = 'share',
  breaker_min_runs = {1, 1e9}, breaker_window_us = TIME_US, breaker_open_us = TIME_US}
local TOGETHER = {{'rate_name', 'rate_n', 'rate_window_us'},
  {'breaker_rate', 'breaker_min_runs', 'breaker_window_us', 'breaker_open_us'}}
local queue, version, digest, place, replaces = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
local actor, origin, reason = ARGV[6], ARGV[7], ARGV[8]
if not version or version < 1 or not replaces or not reason or #ARGV % 2 == 1 then
  return refuse('register: bad arguments')
end

local function valid(kind, text)
  if kind == 'text' then return text ~= '' end
  if kind == 'share' then return tonumber(text) ~= nil and tonumber(text) > 0 and tonumber(text) <= 1 end
  return string.find(text, '^%d+$') ~= nil and tonumber(text) >= kind[1] and tonumber(text) <= kind[2]
end

-- A claim reckons with these between its writes, so what it can't reckon with is refused here.
local given = {}
for i = 9, #ARGV, 2 do
  local kind = FIELDS[ARGV[i]]
  if not kind then return refuse('register: no such field: ' .. ARGV[i]) end
  if given[ARGV[i]] then return refuse('register: twice: ' .. ARGV[i]) end
  if not valid(kind, ARGV[i + 1]) then return refuse('register: bad value of ' .. ARGV[i] .. ': ' .. ARGV[i + 1]) end
  given[ARGV[i]] = true
end
for _, names in ipairs(TOGETHER) do
  for _, name in ipairs(names) do
    if given[name] ~= given[names[1]] then return refuse('register: only together: ' .. table.concat(names, ', ')) end
  end
end

local key = sp_key('ctl', queue)
local known = redis.call('HMGET', key, 'version', 'digest', 'place', 'highest')
redis.call('XLEN', AUDIT_KEY)
local current = tonumber(known[1] or 0)
local highest = math.max(current, tonumber(known[4] or 0))
if version == current then
  if digest == known[2] then return {'known', known[1], known[3]} end
  return {'conflict', known[1], known[3]}
end
if version <= highest and replaces ~= current then return {'superseded', known[1], known[3]} end

for name in pairs(FIELDS) do redis.call('HDEL', key, name) end
redis.call('HSET', key, 'version', int(version), 'digest', digest, 'place', place, 'highest',
  int(math.max(highest, version)), unpack(ARGV, 9))
if not given.breaker_rate then redis.call('DEL', sp_key('breaker', queue)) end
local action = version <= highest and 'activate' or 'register'
audit(actor, origin, action, queue, '', reason, 'version ' .. int(current), 'applied: version ' .. int(version))
if redis.call('EXISTS', rq_key('queue', queue)) == 1 then wake(queue) end
return {'applied', int(version), place}
