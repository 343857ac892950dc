"""The proxies between the system under test and Redis."""
