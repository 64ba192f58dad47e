"""A sentencepiece model → the Unigram tokenizer that XLM-RoBERTa uses.

A text is normalized by the model's character map and split at white space. Each word is prefixed with ▁ and
segmented into the pieces with the highest total score. Ids follow fairseq: `<s> <pad> </s> <unk>`, the pieces
of the model from its fourth on, `<mask>`. So an ordinary piece has the id that sentencepiece gives it, plus
one. A pair of texts is encoded as `<s> A </s></s> B </s>`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from ..errors import TokenizerFileError, mismatch, shown
from ._encoder import UnigramEncoder
from .components import check_charsmap, with_components_of
from .own_backend import AnyBackend, OwnBackend
from .sentencepiece_model import (
    BYTE,
    CONTROL,
    UNIGRAM_MODEL_TYPE,
    UNKNOWN,
    USER_DEFINED,
    PieceTable,
    SentencePieceModel,
    parse_piece_table,
    read_sentencepiece,
)
from .tokenizer_files import library_errors, read_bytes

UNK_ID = 3
# The types of <unk> <s> </s>, the model's first pieces, which the four special tokens replace.
_LEADING_TYPES = [UNKNOWN, CONTROL, CONTROL]


def build_unigram(
    path: Path,
    *,
    bos_token: str,
    pad_token: str,
    eos_token: str,
    unk_token: str,
    mask_token: str,
    add_prefix_space: bool,
) -> AnyBackend:
    """The tokenizer that the sentencepiece model in the file describes.

    Its added tokens are the model's user-defined symbols. Raises TokenizerFileError if the file is malformed,
    or if the model needs something that XLM-RoBERTa's tokenizer does not have.
    """
    data = read_bytes(path)
    leading = [bos_token, pad_token, eos_token, unk_token]
    try:
        table = parse_piece_table(data)
        _check_scheme(
            table, _texts(table, range(min(3, len(table.starts_p)))), table.types_p[:3].tolist(), path
        )
        return _own_backend(table, leading, mask_token, add_prefix_space, path)
    except (ValueError, OverflowError):  # the reader below says what is wrong, if anything is
        model = read_sentencepiece(data, path)
    _check_scheme(model, model.pieces[:3], model.types, path)
    return _library_tokenizer(model, leading, mask_token, add_prefix_space, path)


def _own_backend(
    table: PieceTable, leading: list[str], mask_token: str, add_prefix_space: bool, path: Path
) -> OwnBackend:
    """The tokenizer of a model. Raises ValueError or OverflowError for one that the library is to read."""
    first = "".join(leading).encode()
    last = mask_token.encode()
    sizes = [len(token.encode()) for token in leading]
    begins = len(table.data) + np.cumsum([0, *sizes])
    starts = np.concatenate([begins[:-1], table.starts_p[3:], begins[-1:]]).astype(np.int64)
    ends = np.concatenate([begins[1:], table.ends_p[3:], begins[-1:] + len(last)]).astype(np.int64)
    scores = np.concatenate([np.zeros(4), table.scores_p[3:], np.zeros(1)]).astype(np.float32)
    if table.charsmap:
        check_charsmap(table.charsmap, path)
    encoder = UnigramEncoder(
        table.data + first + last, starts, ends, scores, UNK_ID, table.charsmap, add_prefix_space
    )
    # The three pieces that special tokens replace are checked like the others.
    replaced = _texts(table, range(3))
    for text, index in zip(replaced, (UNK_ID, 0, 2), strict=True):
        if encoder.find(text) not in (None, index) or replaced.count(text) > 1:
            raise ValueError("the same piece twice")
    with library_errors(path):
        shell = Tokenizer(models.Unigram([(leading[UNK_ID], 0.0)], 0, False))
        _set_components(shell, table.charsmap, leading, add_prefix_space)
        backend = OwnBackend("Unigram", encoder, shell, partial(_build_library, path=path), (0, 2))
        symbols = np.flatnonzero(table.types_p == USER_DEFINED).tolist()
        backend.add_tokens([AddedToken(one, normalized=False) for one in _texts(table, symbols)])
    return backend


def _texts(table: PieceTable, pieces: Iterable[int]) -> list[str]:
    """The texts of pieces. Raises ValueError for one that is empty or no UTF-8."""
    texts = [table.data[table.starts_p[index] : table.ends_p[index]].decode() for index in pieces]
    if not all(texts):
        raise ValueError("an empty piece")
    return texts


def _build_library(encoder: UnigramEncoder, shell: Tokenizer, path: Path) -> Tokenizer:
    """The library's tokenizer of an encoder's vocabulary, with the components of a shell.

    path: the file, for messages. Raises TokenizerFileError.
    """
    tokens = [str(encoder.token(index)) for index in range(len(encoder))]
    with library_errors(path):
        pieces = list(zip(tokens, encoder.scores.tolist(), strict=True))
        return with_components_of(shell, models.Unigram(pieces, UNK_ID, False))


def _library_tokenizer(
    model: SentencePieceModel, leading: list[str], mask_token: str, add_prefix_space: bool, path: Path
) -> Tokenizer:
    """The library's tokenizer of a model."""
    tokens = [*leading, *model.pieces[3:], mask_token]
    _check_unique(tokens, path)
    scores = [0.0] * len(leading) + model.scores[3:] + [0.0]
    with library_errors(path):
        if model.charsmap:
            check_charsmap(model.charsmap, path)
        tokenizer = Tokenizer(models.Unigram(list(zip(tokens, scores, strict=True)), UNK_ID, False))
        _set_components(tokenizer, model.charsmap, leading, add_prefix_space)
        tokenizer.add_tokens(
            [
                AddedToken(piece, normalized=False)
                for piece, kind in zip(model.pieces, model.types, strict=True)
                if kind == USER_DEFINED
            ]
        )
    return tokenizer


def _set_components(
    tokenizer: Tokenizer, charsmap: bytes, leading: list[str], add_prefix_space: bool
) -> None:
    """Give a tokenizer all but its model and added tokens. leading: the tokens of the first ids."""
    prepend = "always" if add_prefix_space else "never"
    bos_token, eos_token = leading[0], leading[2]
    if charsmap:
        tokenizer.normalizer = normalizers.Precompiled(charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=prepend)]
    )
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme=prepend)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=[bos_token, "$A", eos_token],
        pair=[bos_token, "$A", eos_token, eos_token, "$B", eos_token],
        special_tokens=[(bos_token, 0), (eos_token, 2)],
    )


def _check_scheme(
    model: PieceTable | SentencePieceModel, pieces: list[str], types: list[int], path: Path
) -> None:
    """Raise TokenizerFileError for a model that is none of XLM-RoBERTa's. pieces: the first three."""
    if model.model_type != UNIGRAM_MODEL_TYPE:
        raise TokenizerFileError(mismatch(f"{path}: model_type", model.model_type, "1 (unigram)"))
    if types[:3] != _LEADING_TYPES:
        found = ", ".join(map(shown, pieces))
        kinds = ", ".join(map(str, types[:3]))
        expected = "'<unk>', '<s>', '</s>' of the types 2, 3, 3"
        raise TokenizerFileError(
            mismatch(f"{path}: the first pieces", f"{found} of the types {kinds}", expected)
        )
    all_types = model.types_p if isinstance(model, PieceTable) else model.types
    if model.byte_fallback or BYTE in all_types:
        raise TokenizerFileError(mismatch(path, "byte_fallback or byte pieces", "a model without them"))
    if not model.add_dummy_prefix or not model.escape_whitespaces or model.treat_whitespace_as_suffix:
        names = ("add_dummy_prefix", "escape_whitespaces", "treat_whitespace_as_suffix")
        found = ", ".join(f"{name} {str(getattr(model, name)).lower()}" for name in names)
        raise TokenizerFileError(mismatch(path, found, "true, true, false"))


def _check_unique(tokens: list[str], path: Path) -> None:
    if len(set(tokens)) != len(tokens):
        specials = {*tokens[:4], tokens[-1]}
        repeated = next((token for token in tokens[4:-1] if token in specials), tokens[-1])
        raise TokenizerFileError(mismatch(f"{path}: special token {shown(repeated)}", "two ids", "one"))
