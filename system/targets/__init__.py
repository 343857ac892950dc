"""Adapters: one file a target, each a program that speaks for one queue library."""
