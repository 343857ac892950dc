"""Tests of the reference queue, on a real Redis."""
