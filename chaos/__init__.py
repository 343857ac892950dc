"""What breaks: environments, proxies, faults, and the schedule by which they strike."""
