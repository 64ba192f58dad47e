"""RoBERTa-family models on CPUs, under the names that transformers users know."""
