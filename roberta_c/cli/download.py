"""`roberta-c download`: copies a Hub repository's files into the cache or a folder."""

from __future__ import annotations

from typing import Any

import click

from .help_page import HelpCommand
from .options import debug_option, folder_names, hub_options
from .outputs import open_output


@click.command(cls=HelpCommand)
@click.argument("repo_id", metavar="ID")
@click.option(
    "--local-dir",
    metavar="FOLDER",
    shell_complete=folder_names,
    help="Put the files into FOLDER instead of the cache.",
)
@hub_options
@debug_option
def download(repo_id: str, local_dir: str | None, **hub_arguments: Any) -> None:
    """Download the config, the tokenizer and the best weights of a Hub repository; print their folder.

    \b
    Example:
      roberta-c download org/name --local-dir models/name
    """
    from ..files import hub
    from ..files.hub_options import HubOptions

    open_output().text(str(hub.download(repo_id, HubOptions(**hub_arguments), local_dir=local_dir)))
