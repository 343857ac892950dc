"""Every fault by the name under which scenarios use it."""

from collections.abc import Callable, Mapping
from typing import Final

from chaos.faults import Fault
from chaos.faults.backup import Backup
from chaos.faults.cancel import Cancel
from chaos.faults.deploy import Deploy, RollBack
from chaos.faults.freeze import Freeze
from chaos.faults.kill import Kill
from chaos.faults.latency import Latency
from chaos.faults.lost_replies import LostReplies
from chaos.faults.out_of_memory import OutOfMemory
from chaos.faults.pause import Pause
from chaos.faults.redis_down import RedisDown
from chaos.faults.redis_restart import RedisRestart
from chaos.faults.reset_peer import ResetPeer
from chaos.faults.restore_backup import RestoreBackup
from chaos.faults.script_flush import ScriptFlush

backup = Backup
cancel = Cancel
deploy = Deploy
freeze = Freeze
kill = Kill
latency = Latency
lost_replies = LostReplies
out_of_memory = OutOfMemory
pause = Pause
redis_down = RedisDown
redis_restart = RedisRestart
reset_peer = ResetPeer
restore_backup = RestoreBackup
roll_back = RollBack
script_flush = ScriptFlush

FAULTS: Final[Mapping[str, Callable[..., Fault]]] = {
    "backup": backup,
    "cancel": cancel,
    "deploy": deploy,
    "freeze": freeze,
    "kill": kill,
    "latency": latency,
    "lost_replies": lost_replies,
    "out_of_memory": out_of_memory,
    "pause": pause,
    "redis_down": redis_down,
    "redis_restart": redis_restart,
    "reset_peer": reset_peer,
    "restore_backup": restore_backup,
    "roll_back": roll_back,
    "script_flush": script_flush,
}
