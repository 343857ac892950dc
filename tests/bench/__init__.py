"""Measurements: ratios within one run, never thresholds."""
