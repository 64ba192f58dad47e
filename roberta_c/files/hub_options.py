"""HubOptions: how the files of a Hub repository are fetched."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ..errors import InputError, mismatch, shown


@dataclass(frozen=True)
class HubOptions:
    """How to fetch the files of a Hub repository. Local folders ignore these options.

    revision          branch, tag or commit; None: the repository's main branch
    token             an access token; None: the stored one or HF_TOKEN; False: none
    cache_dir         folder of the cache; None: the client's own (HF_HOME, HF_HUB_CACHE)
    local_files_only  use the cache alone, without the network
    """

    revision: str | None = None
    token: str | bool | None = field(default=None, repr=False)
    cache_dir: str | os.PathLike[str] | None = None
    local_files_only: bool = False

    @classmethod
    def of_keywords(cls, keywords: Mapping[str, Any]) -> HubOptions:
        """Those options that are among a call's keywords; the defaults of the others."""
        return cls(**{name: keywords[name] for name in KEYWORDS if name in keywords})

    def check(self) -> None:
        """Raise InputError naming the first option of a wrong type or value.

        `resolve` and `download` call this; options that are never used are never checked.
        """
        revision, token = self.revision, self.token
        if revision is not None:
            # Git refuses these characters in a name, and the client makes a path of the name.
            is_name = isinstance(revision, str) and re.fullmatch(r"(?!/)[^\x00-\x20~^:?*\[\\\x7f]+", revision)
            if not is_name or ".." in revision:
                raise InputError(mismatch("revision", shown(revision), "a branch, tag or commit"))
        if not (token is None or isinstance(token, bool)):
            if not isinstance(token, str):
                raise InputError(mismatch("token", type(token).__name__, "text like hf_…"))
            if not re.fullmatch(r"[!-~]+", token):  # the message never shows the token
                raise InputError(mismatch("token", "text with other than visible ASCII", "text like hf_…"))
        if self.cache_dir is not None and not isinstance(self.cache_dir, (str, os.PathLike)):
            raise InputError(mismatch("cache_dir", shown(self.cache_dir), "a folder"))
        if not isinstance(self.local_files_only, bool):
            raise InputError(mismatch("local_files_only", shown(self.local_files_only), "True or False"))


DEFAULT_OPTIONS = HubOptions()
KEYWORDS = tuple(option.name for option in fields(HubOptions))
