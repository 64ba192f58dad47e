"""Facts about the machine (CPUs, memory, control groups), and the number of threads to use on it."""
