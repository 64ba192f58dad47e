"""The program `roberta-c`, also as `python -m roberta_c`. Ctrl-C ends it quietly from here on."""

from __future__ import annotations

import sys

from .cli.signals import ended_by_signals


def main() -> None:
    """Runs the command line of this process and exits."""
    with ended_by_signals():
        from .cli.process_limits import lacking_address_space, open_closed_streams

        open_closed_streams()
        lacking = lacking_address_space()
        if lacking is not None:
            sys.exit(f"roberta-c: error: {lacking}")
        from .cli.main import main as run

        run()


if __name__ == "__main__":
    main()
