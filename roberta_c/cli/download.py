"""`roberta-c download`: a Hub repository → a folder."""

from __future__ import annotations

from typing import Any

import click

from .options import (
    debug_option,
    hub_options,
)
from .outputs import open_output


@click.command(short_help="Fetch a model from the Hub.")
@click.argument("repo_id", metavar="ID")
@click.option("--local-dir", metavar="FOLDER", help="Put the files there, not in the cache.")
@hub_options
@debug_option
def download(repo_id: str, local_dir: str | None, **where: Any) -> None:
    """Fetch a Hub repository's config, tokenizer and best weights; print the folder they are in.

    \b
    Example:
      roberta-c download org/name --local-dir models/name
    """
    from ..files import hub

    open_output().text(str(hub.download(repo_id, hub.HubOptions(**where), local_dir=local_dir)))
