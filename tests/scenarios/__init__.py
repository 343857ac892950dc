"""Tests of scenarios: history, checkers, metrics, situations."""
