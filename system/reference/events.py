"""What may befall a run, what counts it, what bounds it, and what a job that reaches the bound is called.

| event                                                        | counter  | bound        | reason of the dead letter |
|--------------------------------------------------------------|----------|--------------|---------------------------|
| the body raised                                              | attempts | max_attempts | exhausted                 |
| the body passed its soft or hard timeout                     | attempts (and timeouts) | max_attempts | timeout    |
| the body raised ``Reject``: no attempt can help              | none     | at once      | rejected                  |
| its slot's process died while the body ran                   | crashes  | max_crashes  | crashed                   |
| its lease ended: worker killed or frozen, or cut off         | stalls   | max_stalls   | stalled                   |
| its worker ended it, since it could not renew its lease      | stalls   | max_stalls   | stalled                   |
| the same while Redis was away (a gap in the sweeps)          | drops    | 20, then stalls | stalled                |
| its record can't be decoded, or its function can't be found  | none     | at once      | unserialisable            |
| it asks for what is not implemented                          | none     | at once      | unsupported               |
| its worker stops: not started (release) or killed (abort)    | none     | none         | none                      |
| its cancellation was asked for: killed (abort)               | none     | none         | none: cancelled           |
| its slot died before the body started, or after it ended     | none     | none         | none                      |

A bound is the number of events that makes the job a dead letter: with max_attempts = 3 the third failure does. The
last failure decides between ``exhausted`` and ``timeout``.
"""

from typing import Final

DROPS: Final = "drops"
CRASHES: Final = "crashes"
CRASHED: Final = "crashed"
STALLED: Final = "stalled"
