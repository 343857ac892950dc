"""The tests that the audit asks for (§14), by its names; each asserts the ledger and raw keys."""
