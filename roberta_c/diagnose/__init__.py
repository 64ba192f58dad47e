"""A model looked at, and the machine: what is there, what it computes beside what it should."""
