"""The adapter under a name that any process can import: ``stormproof_adapter.task`` is what queues are told to run.

The harness puts this folder on the path of every process of the target and the adapter's file into
``STORMPROOF_ADAPTER``. A worker that imports this module gets that file's contents, whatever the file is called.
"""

import os
from pathlib import Path

_path = os.environ["STORMPROOF_ADAPTER"]
exec(compile(Path(_path).read_bytes(), _path, "exec"))  # noqa: S102  # it is the program that we were started for
