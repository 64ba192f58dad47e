"""The command line `roberta-c`: main.py is the program; each command has a file of its own."""
