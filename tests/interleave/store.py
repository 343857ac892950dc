"""What Redis holds, as a value: it is taken out after a step and put back before another."""

import hashlib
import json
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hiredis

from system.reference import load
from tests.system.reference.calls import virtual_prelude

TIMEOUT_S = 60.0
READ_BYTES = 1 << 20
Command = tuple[str | bytes | int, ...]
NOW = "rq:test:now"

# Left out: what decides nothing (wake tokens, results, audit, RQ's list of queues,
# when a slot's time to live was renewed), and the server's own run_id, which is
# not the same in each process of ours. Records whose virtual time is over go: the server's own clock is the real one.
TAKE = """
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local now_ms, found = tonumber(redis.call('GET', 'rq:test:now')) / 1000, {}
local keys = redis.call('KEYS', '*')
table.sort(keys)
for _, key in ipairs(keys) do
  local kind, value, until_ms = redis.call('TYPE', key).ok, nil, -1
  if string.find(key, '^rq:job:') then until_ms = redis.call('PEXPIRETIME', key) end
  if until_ms >= 0 and until_ms <= now_ms then redis.call('DEL', key)
  elseif kind == 'string' then value = {redis.call('GET', key)}
  elseif kind == 'list' and not string.find(key, '^rq:sp:wake:') then value = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'hash' then
    local flat, pairs_ = redis.call('HGETALL', key), {}
    for i = 1, #flat, 2 do
      local text = flat[i + 1]
      if text == run_id then text = 'same' end
      if flat[i] ~= 'kept_at' then pairs_[#pairs_ + 1] = {flat[i], text} end
    end
    table.sort(pairs_, function(one, other) return one[1] < other[1] end)
    value = {}
    for _, pair in ipairs(pairs_) do value[#value + 1] = pair[1]; value[#value + 1] = pair[2] end
  end
  if value then found[#found + 1] = {key, kind, until_ms, value} end
end
return cjson.encode(found)
"""
PUT = """
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local WRITE = {string = 'SET', list = 'RPUSH', hash = 'HSET'}
redis.call('FLUSHDB')
for _, each in ipairs(cjson.decode(ARGV[1])) do
  local key, kind, until_ms, value = unpack(each)
  if kind == 'zset' then
    for i = 1, #value, 2 do redis.call('ZADD', key, value[i + 1], value[i]) end
  else
    if kind == 'hash' then
      for i = 2, #value, 2 do if value[i] == 'same' then value[i] = run_id end end
    end
    redis.call(WRITE[kind], key, unpack(value))
  end
  if until_ms >= 0 then redis.call('PEXPIREAT', key, until_ms) end
end
"""


class Keys:
    """What was taken, to be looked at."""

    def __init__(self, blob: bytes) -> None:
        self.all: dict[str, list[str]] = {key: value for key, _, _, value in json.loads(blob)}

    def pairs(self, key: str) -> dict[str, str]:
        """A hash, or a sorted set by member."""
        value = self.all.get(key, [])
        return dict(zip(value[::2], value[1::2], strict=True))

    def job(self, name: str) -> dict[str, str]:
        return self.pairs(f"rq:job:{name}")

    def places(self, name: str) -> list[str]:
        """Every place that the job is in."""
        found = ["waiting"] * self.all.get("rq:queue:q", []).count(name)
        sets = {"lease": "rq:sp:lease:q", "dead": "rq:sp:dead:q", "finished": "rq:finished:q"}
        return found + [place for place, key in sets.items() if name in self.pairs(key)]

    @property
    def now_us(self) -> int:
        return int(self.all[NOW][0])


class Store:
    """One Redis. ``overlays``: a variant's name and the folder of its changed scripts; '' is the sound one."""

    def __init__(self, path: Path, overlays: Mapping[str, Path]) -> None:
        self._scripts = {name: load(virtual_prelude(folder)) for name, folder in overlays.items()}
        commands: list[Command] = [("SCRIPT", "LOAD", text) for text in (TAKE, PUT)]
        commands += [command for scripts in self._scripts.values() for command in scripts.load_commands()]
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(TIMEOUT_S)
        self._socket.connect(str(path))
        self._reader: Any = hiredis.Reader()
        self._answers(commands)
        self._take, self._put = (hashlib.sha1(text.encode()).hexdigest() for text in (TAKE, PUT))  # noqa: S324

    def transition(self, variant: str, name: str, *arguments: str | bytes | int) -> Command:
        """The command that calls a transition of that variant."""
        return tuple(self._scripts[variant].call(name, *arguments))

    def begin(self, commands: Sequence[Command]) -> bytes:
        """An empty Redis, and what it holds after these."""
        *_, blob = self._answers([("FLUSHALL",), *commands, ("EVALSHA", self._take, 0)])
        return bytes(blob)

    def each(self, steps: Sequence[tuple[bytes, Sequence[Command]]]) -> list[tuple[list[Any], bytes]]:
        """For each step: put back what was, send its commands; the answers, and what is held then. One round trip."""
        commands: list[Command] = []
        for blob, own in steps:
            commands += [("EVALSHA", self._put, 0, blob), *own, ("EVALSHA", self._take, 0)]
        replies, results = iter(self._answers(commands)), []
        for _, own in steps:
            next(replies)
            results.append(([next(replies) for _ in own], bytes(next(replies))))
        return results

    def _answers(self, commands: Sequence[Command]) -> list[Any]:
        pack: Any = hiredis.pack_command  # its stub says that a command has one word
        self._socket.sendall(b"".join([pack(command) for command in commands]))
        return [self._answer() for _ in commands]

    def _answer(self) -> Any:  # noqa: ANN401  # whatever Redis says
        while (reply := self._reader.gets()) is False:
            self._reader.feed(self._socket.recv(READ_BYTES))
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        return reply
