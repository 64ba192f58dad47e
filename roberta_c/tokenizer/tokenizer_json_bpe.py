"""tokenizer.json → an encoder of this package, where the file describes a byte-level BPE like RoBERTa's.

The library reads the file's components without its vocabulary; if they are those that byte_level_bpe.py sets,
texts are encoded here. Anything else is left to the library: other components or settings, ids that do not
fit the vocabulary, keys that only the library knows.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders

from ..errors import TokenizerFileError
from .byte_level_bpe import Merges, build_library, encoder_of
from .components import COMPONENTS, component_state, set_add_prefix_space
from .own_backend import OwnBackend
from .tokenizer_files import library_errors

_KEYS = {"version", "truncation", "padding", "added_tokens", "model", *COMPONENTS}
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
# The settings of the model beside its vocabulary, with the values that change nothing where every byte has
# a token.
_SETTINGS: dict[str, tuple[Any, ...]] = {
    "type": ("BPE",),
    "dropout": (None,),
    "unk_token": (None,),  # or a token of the vocabulary
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "fuse_unk": (False, True),
    "byte_fallback": (False,),
    "ignore_merges": (False,),
}


def own_backend(
    parsed: dict[str, Any], merges: Merges, path: Path, add_prefix_space: bool | None = None
) -> OwnBackend | None:
    """The tokenizer that an object of tokenizer.json describes; None if it is left to the library.

    parsed: with truncation and padding null. merges: its model's. add_prefix_space: if given, in place of the
    file's. Raises InputError where `add_prefix_space` is no setting of the tokenizer.
    """
    settings = {name: value for name, value in parsed["model"].items() if name not in ("vocab", "merges")}
    added = _added_tokens(parsed.get("added_tokens"))
    if added is None or not parsed.keys() <= _KEYS or not _is_usual(settings, merges.vocab):
        return None
    shell = _shell(parsed)
    if shell is None:
        return None
    if add_prefix_space is not None:
        set_add_prefix_space(shell, add_prefix_space, path)
    split, processor = component_state(shell.pre_tokenizer), component_state(shell.post_processor)
    if (
        shell.normalizer is not None
        or (split.get("type"), split.get("use_regex")) != ("ByteLevel", True)
        or processor.get("type") != "RobertaProcessing"
        or processor["add_prefix_space"] != split["add_prefix_space"]
        or any(merges.vocab.get(token) != index for token, index in (processor["cls"], processor["sep"]))
        or not isinstance(shell.decoder, decoders.ByteLevel)
    ):
        return None
    encoder = encoder_of(merges, split["add_prefix_space"], processor["trim_offsets"])
    if encoder is None or any(merges.vocab.get(token.content) != index for index, token in added):
        return None
    given = {name: value for name, value in settings.items() if name != "type" and value is not None}
    build = partial(build_library, settings=given, path=path)
    backend = OwnBackend("BPE", encoder, shell, build, (processor["cls"][1], processor["sep"][1]))
    with library_errors(path):
        backend.add_tokens([token for _, token in added])
    return backend if backend.is_own else None


def _is_usual(settings: dict[str, Any], vocab: dict[str, int]) -> bool:
    """Whether the library takes a model of these settings and this vocabulary, and the encoder knows it."""
    unknown = settings.get("unk_token")
    if type(unknown) is str and unknown in vocab:
        settings = {**settings, "unk_token": None}
    # By type, too: the library refuses 0 for false.
    return not _has_surrogate("".join(vocab)) and all(
        any(type(value) is type(usual) and value == usual for usual in _SETTINGS.get(name, ()))
        for name, value in settings.items()
    )


def _added_tokens(listed: Any) -> list[tuple[int, AddedToken]] | None:
    """(id, token) of each in the list `added_tokens`; None for any other form than the library's own."""
    found = []
    for entry in listed if isinstance(listed, list) else [None]:
        if not isinstance(entry, dict) or entry.keys() != {"id", "content", *_FLAGS}:
            return None
        flags = {name: entry[name] for name in _FLAGS}
        index, content = entry["id"], entry["content"]
        if type(index) is not int or type(content) is not str or set(map(type, flags.values())) != {bool}:
            return None
        if _has_surrogate(content):
            return None
        found.append((index, AddedToken(content, **flags)))
    return found


def _has_surrogate(text: str) -> bool:
    """Whether a text has a lone surrogate, which JSON's \\u escapes can write and the library refuses."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _shell(parsed: dict[str, Any]) -> Tokenizer | None:
    """The library's tokenizer with the components and no vocabulary; None if it refuses them."""
    parts = {name: parsed.get(name) for name in COMPONENTS}
    model = {"type": "BPE", "vocab": {}, "merges": []}
    text = json.dumps({"version": parsed.get("version"), "added_tokens": [], **parts, "model": model})
    try:
        with library_errors(Path()):
            return Tokenizer.from_str(text)
    except TokenizerFileError:  # it refuses the file as well, and says why
        return None
