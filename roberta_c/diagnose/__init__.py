"""Reports on models and on this machine: what a model is, whether it computes correctly, what int8 costs."""
