"""What load arrives when: arrival profiles, the generator, and Locust as a second generator."""
