"""tokenizer.json → the tokenizer that it describes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors

from ..errors import InputError, TokenizerFileError, mismatch, shown
from .tokenizer_files import library_errors, parse_json_object, read_text


def read_tokenizer_json(path: Path) -> tuple[Tokenizer, dict[str, Any]]:
    """The tokenizer, and those of `padding_side` and `truncation_side` that its file sets.

    Truncation and padding that the file switches on are switched off, as in transformers: only the arguments
    of a call switch them on. Raises TokenizerFileError for a malformed file.
    """
    text = read_text(path)
    if '"merges"' in text:
        _check_merges(parse_json_object(text, path), path)
    with library_errors(path):
        tokenizer = Tokenizer.from_str(text)
        # Some errors, such as a template with an unknown token, are raised only when a text is encoded.
        tokenizer.encode("", "")
    sides = {
        name: setting["direction"].lower()
        for name, setting in (("padding_side", tokenizer.padding), ("truncation_side", tokenizer.truncation))
        if setting
    }
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer, sides


def _check_merges(parsed: dict[str, Any], path: Path) -> None:
    """Raise TokenizerFileError unless the merges of a BPE model fit its vocabulary.

    The library indexes a buffer by the length of a merge before it looks the merge up, and panics if the
    merge is longer than every token (huggingface/tokenizers#2094).
    """
    model = parsed.get("model")
    if not isinstance(model, dict) or "merges" not in model:
        return
    vocab, merges, prefix = model.get("vocab"), model["merges"], model.get("continuing_subword_prefix") or ""
    if not isinstance(vocab, dict) or not isinstance(merges, list) or not isinstance(prefix, str):
        found = f"model.vocab {shown(vocab, 40)} and model.merges {shown(merges, 40)}"
        raise TokenizerFileError(mismatch(path, found, "an object and a list"))
    for number, merge in enumerate(merges):
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise TokenizerFileError(mismatch(f"{path}: model.merges[{number}]", shown(merge), "two tokens"))
        left, right = pair
        joined = left + right[len(prefix) :]
        if not right.startswith(prefix) or not {left, right, joined} <= vocab.keys():
            expected = "two tokens of the vocabulary whose concatenation is one too"
            raise TokenizerFileError(mismatch(f"{path}: model.merges[{number}]", shown(merge), expected))


def backend_traits(tokenizer: Tokenizer) -> dict[str, bool]:
    """`add_prefix_space` and `trim_offsets`, if the tokenizer's components have them."""
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
    """Set whether a byte-level tokenizer puts a space before a text. `path`: the file it was made from.

    Raises InputError for another kind of tokenizer.
    """
    pre_tokenizer = _state(tokenizer.pre_tokenizer)
    if pre_tokenizer.get("type") != "ByteLevel":
        found = f"{value} for {path}, which has no byte-level pre-tokenizer"
        raise InputError(mismatch("add_prefix_space", found, "a byte-level tokenizer"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(value, use_regex=pre_tokenizer.get("use_regex", True))
    post_processor = _state(tokenizer.post_processor)
    if post_processor.get("type") == "RobertaProcessing":
        tokenizer.post_processor = processors.RobertaProcessing(
            tuple(post_processor["sep"]), tuple(post_processor["cls"]), post_processor["trim_offsets"], value
        )


def add_lower_case(tokenizer: Tokenizer) -> None:
    """Lower-case texts before anything else is done to them, unless the tokenizer does so already."""
    normalizer = tokenizer.normalizer
    state = _state(normalizer)
    if any(part.get("type") == "Lowercase" for part in state.get("normalizers", [state])):
        return
    lower = normalizers.Lowercase()
    tokenizer.normalizer = lower if normalizer is None else normalizers.Sequence([lower, normalizer])


def _state(component: Any) -> dict[str, Any]:
    """A component as an object of tokenizer.json; empty for None."""
    if component is None:
        return {}
    state: dict[str, Any] = json.loads(component.__getstate__())
    return state
