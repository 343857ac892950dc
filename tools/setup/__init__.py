"""Set-up: makes `.venv` and `.stormproof` in the checkout, by bare Python: nothing else is there yet.

Run as ``python3 -m tools.setup``. Exit code 0: everything is there; 4: something could not be had, one
message says how to get it; 130: interrupted, the next run goes on from there.
"""
