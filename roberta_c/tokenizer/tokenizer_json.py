"""tokenizer.json → the tokenizer it describes, verbatim."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, pre_tokenizers, processors

from ..errors import InputError, TokenizerFileError, shown
from .tokenizer_files import library_errors, parse_json_object, read_text


def read_tokenizer_json(path: Path) -> tuple[Tokenizer, dict[str, Any]]:
    """The tokenizer, and the settings its file bakes in: `padding_side`, `truncation_side` where given.

    Truncation and padding written into the file are switched off: as with transformers, they happen
    when a call asks for them.
    """
    text = read_text(path)
    if '"merges"' in text:
        _check_merges(parse_json_object(text, path), path)
    with library_errors(path):
        tokenizer = Tokenizer.from_str(text)
        # What the library only notices in use (a template naming an unknown token) it shall notice now.
        tokenizer.encode("", "")
    sides = {
        name: baked["direction"].lower()
        for name, baked in (("padding_side", tokenizer.padding), ("truncation_side", tokenizer.truncation))
        if baked
    }
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer, sides


def _check_merges(parsed: dict[str, Any], path: Path) -> None:
    """The merges of a BPE model fit its vocabulary.

    The library indexes a buffer by a merge's length before it looks the merge up, and panics when the
    merge is longer than every token (huggingface/tokenizers#2094).
    """
    model = parsed.get("model")
    if not isinstance(model, dict) or "merges" not in model:
        return
    vocab, merges, prefix = model.get("vocab"), model["merges"], model.get("continuing_subword_prefix") or ""
    if not isinstance(vocab, dict) or not isinstance(merges, list) or not isinstance(prefix, str):
        raise TokenizerFileError(f"{path}: model.vocab must be an object, model.merges a list")
    for number, merge in enumerate(merges):
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise TokenizerFileError(f"{path}: model.merges[{number}] is {shown(merge)}, expected two tokens")
        left, right = pair
        joined = left + right[len(prefix) :]
        if not right.startswith(prefix) or not {left, right, joined} <= vocab.keys():
            raise TokenizerFileError(
                f"{path}: model.merges[{number}], {shown(merge)}: not all in the vocabulary"
            )


def backend_traits(tokenizer: Tokenizer) -> dict[str, bool]:
    """`add_prefix_space` and `trim_offsets` as the tokenizer's components have them, where they do."""
    traits: dict[str, bool] = {}
    pre_tokenizer = _state(tokenizer.pre_tokenizer)
    for part in pre_tokenizer.get("pretokenizers", [pre_tokenizer]):
        if part.get("type") == "ByteLevel":
            traits["add_prefix_space"] = part["add_prefix_space"]
        elif part.get("type") == "Metaspace":
            traits["add_prefix_space"] = part["prepend_scheme"] != "never"
    post_processor = _state(tokenizer.post_processor)
    if "trim_offsets" in post_processor:
        traits["trim_offsets"] = post_processor["trim_offsets"]
    return traits


def set_add_prefix_space(tokenizer: Tokenizer, value: bool, path: Path) -> None:
    """Change whether a byte-level tokenizer puts a space before its text."""
    pre_tokenizer = _state(tokenizer.pre_tokenizer)
    if pre_tokenizer.get("type") != "ByteLevel":
        raise InputError(f"add_prefix_space cannot be set: {path} has no byte-level pre-tokenizer")
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(value, use_regex=pre_tokenizer.get("use_regex", True))
    post_processor = _state(tokenizer.post_processor)
    if post_processor.get("type") == "RobertaProcessing":
        tokenizer.post_processor = processors.RobertaProcessing(
            tuple(post_processor["sep"]), tuple(post_processor["cls"]), post_processor["trim_offsets"], value
        )


def _state(component: Any) -> dict[str, Any]:
    """A component as it stands in tokenizer.json; empty for None."""
    return {} if component is None else json.loads(component.__getstate__())
