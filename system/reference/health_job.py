"""The body of a health job: that it runs is all it says."""


def answer() -> str:
    """Run in a slot."""
    return "ready"
