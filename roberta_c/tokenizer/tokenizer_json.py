"""tokenizer.json → the tokenizer that it describes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors

from ..errors import InputError, TokenizerFileError, mismatch, shown
from .components import check_components, component_state
from .json_sections import without_call_settings
from .own_backend import AnyBackend
from .tokenizer_files import library_errors, parse_json_object, read_text
from .vocabulary_ids import check_ids

logger = logging.getLogger(__name__)


class TokenizerJson(NamedTuple):
    """What tokenizer.json describes. options: those of `padding_side` and `truncation_side` that it sets.
    largest_id: of the model's vocabulary; None if it is to be looked up."""

    backend: Tokenizer
    options: dict[str, Any]
    largest_id: int | None


def read_tokenizer_json(path: Path) -> TokenizerJson:
    """The tokenizer that the file describes.

    Truncation and padding that the file switches on are left out, as in transformers: only the arguments of
    a call switch them on. So is the dropout of a BPE model, which is for training and makes random ids of a
    text; transformers leaves it on. Raises TokenizerFileError for a malformed file.
    """
    text, settings = without_call_settings(read_text(path), path)
    vocab = _checked_vocab(parse_json_object(text, path), path) if '"merges"' in text else None
    sides = {f"{name}_side": _side(setting, f"{path}: {name}") for name, setting in settings.items()}
    with library_errors(path):
        tokenizer = Tokenizer.from_str(text)
        if getattr(tokenizer.model, "dropout", None):
            logger.warning("%s: dropout %g is switched off", path, tokenizer.model.dropout)
            tokenizer.model.dropout = None
        check_components(tokenizer, path)
        # Some errors, such as a template with an unknown token, are raised only when a text is encoded.
        tokenizer.encode("")
        tokenizer.encode("", "")
    return TokenizerJson(tokenizer, sides, max(vocab.values(), default=None) if vocab else None)


def _side(setting: dict[str, Any], place: str) -> str:
    """The side that a setting of tokenizer.json names: "right", also if it names none, or "left"."""
    direction = setting.get("direction", "Right")
    if direction not in ("Right", "Left"):
        raise TokenizerFileError(mismatch(f"{place}: direction", shown(direction), "'Right' or 'Left'"))
    return str(direction).lower()


def _checked_vocab(parsed: dict[str, Any], path: Path) -> dict[str, int] | None:
    """The vocabulary of a BPE model; None for another model.

    Raises TokenizerFileError unless each id is of one token, and the merges fit the vocabulary.

    The library indexes a buffer by the length of a merge before it looks the merge up, and panics if the
    merge is longer than every token (huggingface/tokenizers#2094).
    """
    model = parsed.get("model")
    if not isinstance(model, dict) or "merges" not in model:
        return None
    vocab, merges, prefix = model.get("vocab"), model["merges"], model.get("continuing_subword_prefix") or ""
    if not isinstance(vocab, dict) or not isinstance(merges, list) or not isinstance(prefix, str):
        found = f"model.vocab {shown(vocab, 40)} and model.merges {shown(merges, 40)}"
        raise TokenizerFileError(mismatch(path, found, "an object and a list"))
    check_ids(vocab, path)
    for number, merge in enumerate(merges):
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise TokenizerFileError(mismatch(f"{path}: model.merges[{number}]", shown(merge), "two tokens"))
        left, right = pair
        joined = left + right[len(prefix) :]
        if not right.startswith(prefix) or not {left, right, joined} <= vocab.keys():
            expected = "two tokens of the vocabulary whose concatenation is one too"
            raise TokenizerFileError(mismatch(f"{path}: model.merges[{number}]", shown(merge), expected))
    return vocab


def backend_traits(tokenizer: AnyBackend) -> dict[str, bool]:
    """`add_prefix_space` and `trim_offsets`, if the tokenizer's components have them."""
    traits: dict[str, bool] = {}
    pre_tokenizer = component_state(tokenizer.pre_tokenizer)
    for part in pre_tokenizer.get("pretokenizers", [pre_tokenizer]):
        if part.get("type") == "ByteLevel":
            traits["add_prefix_space"] = part["add_prefix_space"]
        elif part.get("type") == "Metaspace":
            traits["add_prefix_space"] = part["prepend_scheme"] != "never"
    post_processor = component_state(tokenizer.post_processor)
    if "trim_offsets" in post_processor:
        traits["trim_offsets"] = post_processor["trim_offsets"]
    return traits


def set_add_prefix_space(tokenizer: Tokenizer, value: bool, path: Path) -> None:
    """Set whether a byte-level tokenizer puts a space before a text. `path`: the file it was made from.

    Raises InputError for another kind of tokenizer.
    """
    pre_tokenizer = component_state(tokenizer.pre_tokenizer)
    if pre_tokenizer.get("type") != "ByteLevel":
        found = f"{value} for {path}, which has no byte-level pre-tokenizer"
        raise InputError(mismatch("add_prefix_space", found, "a byte-level tokenizer"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(value, use_regex=pre_tokenizer.get("use_regex", True))
    post_processor = component_state(tokenizer.post_processor)
    if post_processor.get("type") == "RobertaProcessing":
        tokenizer.post_processor = processors.RobertaProcessing(
            tuple(post_processor["sep"]), tuple(post_processor["cls"]), post_processor["trim_offsets"], value
        )


def add_lower_case(tokenizer: Tokenizer) -> None:
    """Lower-case texts before anything else is done to them, unless the tokenizer does so already."""
    normalizer = tokenizer.normalizer
    state = component_state(normalizer)
    if any(part.get("type") == "Lowercase" for part in state.get("normalizers", [state])):
        return
    lower = normalizers.Lowercase()
    tokenizer.normalizer = lower if normalizer is None else normalizers.Sequence([lower, normalizer])
