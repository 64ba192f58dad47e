"""The program `roberta-c`, also as `python -m roberta_c`. Ctrl-C ends it quietly from here on."""

from __future__ import annotations

from .cli.signals import ended_by_signals


def main() -> None:
    """Runs the command line of this process and exits."""
    with ended_by_signals():
        from .cli.main import main as run

        run()


if __name__ == "__main__":
    main()
