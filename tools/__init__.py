"""What a checkout needs to work on itself; no part of the package."""
