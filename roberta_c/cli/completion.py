"""`roberta-c completion`: the script that completes the command line in a shell."""

from __future__ import annotations

import click

from .help_page import HelpCommand
from .messages import NAME
from .options import debug_option
from .outputs import open_output

COMPLETE_VARIABLE = "_ROBERTA_C_COMPLETE"


@click.command(cls=HelpCommand)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@debug_option
@click.pass_context
def completion(ctx: click.Context, /, shell: str) -> None:
    """Print the script that completes commands, options, their values and paths in a shell.

    \b
    Examples:
      eval "$(roberta-c completion bash)"          in ~/.bashrc
      eval "$(roberta-c completion zsh)"           in ~/.zshrc
      roberta-c completion fish | source           in ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(ctx.find_root().command, {}, NAME, COMPLETE_VARIABLE)
    # Without click's check of bash's version, which starts a bash.
    open_output().text((script.source_template % script.source_vars()).rstrip("\n"))
