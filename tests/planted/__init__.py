"""Queues with one bug each: variants of the reference, changed in one place of a script or of its Python."""
