"""tokenizer.json → the tokenizer that it describes."""

from __future__ import annotations

import logging
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, cast

from tokenizers import Tokenizer, normalizers

from ..errors import TokenizerFileError, mismatch, shown
from .byte_level_bpe import Merges
from .components import check_components, component_state, set_add_prefix_space
from .json_sections import without_call_settings
from .own_backend import AnyBackend
from .tokenizer_files import library_errors, parse_json_object, read_text
from .tokenizer_json_bpe import own_backend
from .vocabulary_ids import check_ids

logger = logging.getLogger(__name__)


class TokenizerJson(NamedTuple):
    """What tokenizer.json describes. options: those of `padding_side` and `truncation_side` that it sets.
    largest_id: of the model's vocabulary; None if it is to be looked up."""

    backend: AnyBackend
    options: dict[str, Any]
    largest_id: int | None


def read_tokenizer_json(path: Path, add_prefix_space: bool | None = None) -> TokenizerJson:
    """The tokenizer that the file describes; add_prefix_space: if given, in place of the file's.

    Truncation and padding that the file switches on are left out, as in transformers: only the arguments of
    a call switch them on. So is the dropout of a BPE model, which is for training and makes random ids of a
    text; transformers leaves it on. Raises TokenizerFileError for a malformed file, InputError where
    `add_prefix_space` is no setting of the tokenizer.
    """
    text, settings = without_call_settings(read_text(path), path)
    own, largest_id = None, None
    if '"merges"' in text:
        parsed = parse_json_object(text, path)
        merges = _checked_merges(parsed, path)
        if merges is not None:
            largest_id = max(merges.vocab.values(), default=None)
            own = own_backend(parsed, merges, path, add_prefix_space)
    sides = {f"{name}_side": _side(setting, f"{path}: {name}") for name, setting in settings.items()}
    if own is not None:
        return TokenizerJson(own, sides, largest_id)
    with library_errors(path):
        tokenizer = Tokenizer.from_str(text)
        if getattr(tokenizer.model, "dropout", None):
            logger.warning("%s: dropout %g is switched off", path, tokenizer.model.dropout)
            tokenizer.model.dropout = None
        check_components(tokenizer, path)
        # Some errors, such as a template with an unknown token, are raised only when a text is encoded.
        tokenizer.encode("")
        tokenizer.encode("", "")
    if add_prefix_space is not None:
        set_add_prefix_space(tokenizer, add_prefix_space, path)
    return TokenizerJson(tokenizer, sides, largest_id)


def _side(setting: dict[str, Any], place: str) -> str:
    """The side that a setting of tokenizer.json names: "right", also if it names none, or "left"."""
    direction = setting.get("direction", "Right")
    if direction not in ("Right", "Left"):
        raise TokenizerFileError(mismatch(f"{place}: direction", shown(direction), "'Right' or 'Left'"))
    return str(direction).lower()


def _checked_merges(parsed: dict[str, Any], path: Path) -> Merges | None:
    """The merges of a BPE model; None for another model.

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
    pairs = merges
    if set(map(type, merges)) == {str}:
        pairs = [merge.split(" ") for merge in merges]
    if set(map(type, pairs)) <= {list} and set(map(len, pairs)) <= {2} and not prefix:
        # All at once: one by one takes three times as long.
        tokens = list(chain.from_iterable(pairs))
        if set(map(type, tokens)) <= {str}:
            ids = list(map(vocab.get, tokens))
            results = list(map(vocab.get, map("".join, pairs)))
            if None not in ids and None not in results:
                return Merges(vocab, cast("list[int]", ids), cast("list[int]", results))
    ids, results = [], []
    for number, merge in enumerate(merges):
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise TokenizerFileError(mismatch(f"{path}: model.merges[{number}]", shown(merge), "two tokens"))
        left, right = pair
        joined = left + right[len(prefix) :]
        if not right.startswith(prefix) or not {left, right, joined} <= vocab.keys():
            expected = "two tokens of the vocabulary whose concatenation is one too"
            raise TokenizerFileError(mismatch(f"{path}: model.merges[{number}]", shown(merge), expected))
        ids += [vocab[left], vocab[right]]
        results.append(vocab[joined])
    return Merges(vocab, cast("list[int]", ids), cast("list[int]", results))


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


def add_lower_case(tokenizer: Tokenizer) -> None:
    """Lower-case texts before anything else is done to them, unless the tokenizer does so already."""
    normalizer = tokenizer.normalizer
    state = component_state(normalizer)
    if any(part.get("type") == "Lowercase" for part in state.get("normalizers", [state])):
        return
    lower = normalizers.Lowercase()
    tokenizer.normalizer = lower if normalizer is None else normalizers.Sequence([lower, normalizer])
