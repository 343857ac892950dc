"""Verdicts judged: bugs planted in the harness, and the rules of verdicts, each with a test."""
