"""`stormq` with a planted bug in its supervisor: the import of the bug's file puts it there.

A slot needs no such program: it imports the bug's file anyway, for the task in it.
"""

import importlib
import sys

from system.reference.cli import main

if __name__ == "__main__":
    importlib.import_module("stormproof_adapter")
    sys.exit(main())
