"""Targets that exist only for tests."""
