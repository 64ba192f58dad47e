"""Components of a tokenizer: read, set, and refused at load where the tokenizers library panics over a text.

A panic is an exception in Python, but its message is on standard error before anybody can catch it.
"""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import Model

from ..errors import InputError, TokenizerFileError, mismatch, shown

# What a tokenizer has beside its model and added tokens.
COMPONENTS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
# The keys under which a component has others.
_PARTS = ("normalizers", "pretokenizers", "processors", "decoders")
_BITS = np.uint32
# Characters that no pattern names, and a text with those that patterns name.
_RARE, _MARK = "\ue000", "\ue001"
_SAMPLE = f"{_RARE} aé本,.1\n\t  {string.printable} Ab1"


def check_components(tokenizer: Tokenizer, path: Path) -> None:
    """Raise TokenizerFileError for a component that the library takes and cannot use.

    A regular expression that matches nothing before something, or that takes too long, is not found here.
    """
    for part in _components(component_state(tokenizer.normalizer)):
        kind = part.get("type")
        place = f"{path}: normalizer {kind}"
        if kind == "Precompiled":
            check_charsmap(base64.b64decode(part["precompiled_charsmap"]), path)
        elif kind == "Prepend" and not part["prepend"]:
            raise TokenizerFileError(mismatch(place, "an empty text", "a text"))
        elif kind == "Replace" and _matches_nothing(part["pattern"]):
            found = f"the pattern {shown(next(iter(part['pattern'].values())))}, which matches an empty text"
            raise TokenizerFileError(mismatch(place, found, "one that does not"))
    for part in _components(component_state(tokenizer.pre_tokenizer)):
        if part.get("type") == "FixedLength" and part["length"] == 0:
            raise TokenizerFileError(mismatch(f"{path}: pre_tokenizer FixedLength", 0, "at least 1"))
    for part in _components(component_state(tokenizer.post_processor)):
        if part.get("type") == "TemplateProcessing":
            _check_template(part, f"{path}: post_processor")
        for token, index in _added_by(part):
            if tokenizer.id_to_token(index) is None:
                place = f"{path}: post_processor: the id of {shown(token)}"
                raise TokenizerFileError(mismatch(place, index, "an id of the vocabulary"))


def component_state(component: Any) -> dict[str, Any]:
    """A component as an object of tokenizer.json; empty for None."""
    if component is None:
        return {}
    state: dict[str, Any] = json.loads(component.__getstate__())
    return state


def with_components_of(shell: Tokenizer, model: Model) -> Tokenizer:
    """A tokenizer of this model with all other components of a shell."""
    tokenizer = Tokenizer(model)
    for name in COMPONENTS:
        component = getattr(shell, name)
        if component is not None:
            setattr(tokenizer, name, component)
    return tokenizer


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


def check_charsmap(charsmap: bytes, path: Path) -> None:
    """Raise TokenizerFileError for a sentencepiece character map in which a lookup could leave it.

    The map is the size of a trie in bytes, the trie (units of 32 bits) and the texts that it leads to. Unit i
    leads to the units (i XOR its offset) XOR a byte; a unit with a text has the text's place in the unit at
    (i XOR its offset). All units are checked, also those that no text leads to.
    """
    if not charsmap:  # the library has no normalizer for it
        return
    place = f"{path}: precompiled_charsmap"
    size = int.from_bytes(charsmap[:4], "little")
    if size % 4 or not 4 <= size <= len(charsmap) - 4:
        raise TokenizerFileError(
            mismatch(place, f"a trie of {size} bytes", "4 bytes for each unit, within it")
        )
    units_n = np.frombuffer(charsmap, "<u4", size // 4, 4)
    texts = np.frombuffer(charsmap, np.uint8, offset=4 + size)
    scales_n = ((units_n & _BITS(512)) >> _BITS(6)).astype(np.int64)
    places_n = np.arange(len(units_n)) ^ ((units_n >> _BITS(10)).astype(np.int64) << scales_n)
    is_node_n = units_n < _BITS(1 << 31)
    if (places_n[is_node_n] | 255).max(initial=0) >= len(units_n):
        raise TokenizerFileError(mismatch(place, "a unit that leads out of the trie", "one within it"))
    texts_l = units_n[places_n[is_node_n & ((units_n & _BITS(256)) > 0)]] & _BITS((1 << 31) - 1)
    if texts_l.max(initial=0) > len(texts) or (texts[texts_l[texts_l < len(texts)]] & 0xC0 == 0x80).any():
        raise TokenizerFileError(mismatch(place, "a unit without a text", "the place of a text"))


def _components(state: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A component's state and those of its parts, at any depth."""
    waiting = [state]
    while waiting:
        one = waiting.pop()
        yield one
        for name in _PARTS:
            waiting += one.get(name, [])


def _matches_nothing(pattern: dict[str, str]) -> bool:
    """Whether a pattern of Replace matches nothing somewhere in a sample: more often than it has
    characters."""
    if "Regex" not in pattern:
        return not pattern["String"]
    marked, bare = (normalizers.Replace(Regex(pattern["Regex"]), text) for text in (_MARK, ""))
    return any(
        marked.normalize_str(sample).count(_MARK) > len(sample) - len(bare.normalize_str(sample))
        for sample in (_RARE, _SAMPLE)
    )


def _check_template(part: dict[str, Any], place: str) -> None:
    for name, expected in (("single", ["A"]), ("pair", ["A", "B"])):
        found = sorted(piece["Sequence"]["id"] for piece in part[name] if "Sequence" in piece)
        if found != expected:
            texts = " ".join(f"${one}" for one in found) or "no text"
            raise TokenizerFileError(
                mismatch(f"{place}: {name}", texts, " and ".join(f"${one}" for one in expected))
            )


def _added_by(part: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """(token, id) of the special tokens that a post-processor adds."""
    for name in ("sep", "cls"):
        if name in part:
            yield tuple(part[name])
    if part.get("type") == "TemplateProcessing":
        for token, special in part["special_tokens"].items():
            for index in special["ids"]:
                yield token, index
