"""All orders of a bounded world over the real transitions on a real Redis: `python -m tests.interleave`."""
