"""Queues with one bug each: variants of the reference, of which one script is changed in one place."""
