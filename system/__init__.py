"""The systems under test: the reference queue, adapters for others, and the kit that they all see."""
