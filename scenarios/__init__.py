"""What is tried and how it is judged: scenarios, runner, history, checkers, metrics, command line."""
