"""The commands of ``stormproof``: one file each, with ``add_to`` (its options) and ``perform`` (its work)."""
