"""A model of lawful job queues: it plays worlds of faults by a queue's rules and tells what a ledger would hold."""
