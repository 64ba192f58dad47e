"""The command line `roberta-c`: main.py has the program, and each command a file of its own."""
