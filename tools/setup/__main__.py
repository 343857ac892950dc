"""The door: refuses, in words, an interpreter or a system that the rest could not even be parsed on."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  # the point: an older Python must get this far and no further
    sys.stderr.write(
        "set-up needs Python 3.11 or newer, and {} is {}.{}.\n"
        "If a newer one is installed under another name, say so: make setup PYTHON=python3.12\n".format(
            sys.executable, *sys.version_info[:2]
        )
    )
    sys.exit(4)
if not sys.platform.startswith("linux"):
    sys.stderr.write(
        f"Stormproof runs on Linux only (pidfd, /proc, parent-death signals); this is {sys.platform}.\n"
        "Use a Linux machine, or a Linux container or virtual machine with this checkout in it.\n"
    )
    sys.exit(4)

from tools.setup.main import main

sys.exit(main())
