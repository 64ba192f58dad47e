"""`python -m roberta_c`: the same as `roberta-c`."""

from __future__ import annotations

from .cli.main import main

if __name__ == "__main__":
    main()
