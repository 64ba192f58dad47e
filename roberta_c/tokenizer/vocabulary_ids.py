"""Checks of the ids in a vocabulary: each of one token, and within a model's table of embeddings."""

from __future__ import annotations

import logging
from pathlib import Path

from ..errors import TokenizerFileError, mismatch, shown
from .own_backend import AnyBackend, OwnBackend, model_kind

logger = logging.getLogger(__name__)

_TOO_LARGE = 2**32


def check_ids(vocab: dict[str, int], path: str | Path) -> None:
    """Raise TokenizerFileError for two tokens of one id, or an id that is no integer of 32 bits.

    path: the vocabulary's.

    Ids that are missing are a warning, as transformers takes such a vocabulary.
    """
    if not set(map(type, vocab.values())) <= {int}:
        token, value = next((token, value) for token, value in vocab.items() if type(value) is not int)
        raise TokenizerFileError(mismatch(f"{path}: the id of {shown(token)}", shown(value), "an integer"))
    if list(vocab.values()) == list(range(len(vocab))):  # most files list the tokens by id
        return
    size, ids = len(vocab), set(vocab.values())
    if len(ids) < size:
        token_of_id: dict[int, str] = {}
        for token, index in vocab.items():
            if token_of_id.setdefault(index, token) != token:
                found = f"{shown(token_of_id[index])} and {shown(token)}"
                raise TokenizerFileError(mismatch(f"{path}: id {index}", found, "one token"))
    for token, index in vocab.items():
        if not 0 <= index < _TOO_LARGE:
            expected = f"an integer from 0 to {_TOO_LARGE - 1}"
            raise TokenizerFileError(mismatch(f"{path}: the id of {shown(token)}", shown(index), expected))
    if max(ids) >= size:
        missing = next(index for index in range(size) if index not in ids)
        logger.warning("%s: %d tokens have ids up to %d; id %d is missing", path, size, max(ids), missing)


def check_added_ids(backend: AnyBackend, path: Path) -> None:
    """Raise TokenizerFileError for an added token whose id another token of the vocabulary has.

    The library numbers added tokens by how many tokens there are. Where ids are missing, one has that number.
    """
    if isinstance(backend, OwnBackend):
        if backend.is_own:  # they are of its vocabulary
            return
        backend = backend.library
    model = backend.model
    for index, token in backend.get_added_tokens_decoder().items():
        other = model.id_to_token(index)
        if other is not None and other != token.content:
            found = f"{shown(other)} and {shown(token.content)}"
            raise TokenizerFileError(mismatch(f"{path}: id {index}", found, "one token"))


def largest_id(backend: AnyBackend) -> int:
    """The largest id of a token; -1 without tokens."""
    added = backend.get_added_tokens_decoder()
    size = backend.get_vocab_size(with_added_tokens=False)
    if model_kind(backend) == "Unigram":  # ids are places in its list
        return max([size - 1, *added])
    return max([*backend.get_vocab(with_added_tokens=True).values(), *added], default=-1)
