"""The machine this runs on: its CPUs, memory and control groups, and how many threads to use."""
