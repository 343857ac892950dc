"""A model of lawful job queues: it plays worlds of faults by the rules of a queue and tells what a ledger would hold."""
