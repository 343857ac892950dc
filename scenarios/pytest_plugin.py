"""The pytest plugin: collects the catalogue of scenarios, and a user's own, as tests."""
