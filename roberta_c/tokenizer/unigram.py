"""A sentencepiece model → the Unigram tokenizer that XLM-RoBERTa uses.

Text is normalized by the model's own character map, split at white space, each word prefixed with
▁ and segmented into the pieces of the highest total score. Ids follow fairseq: four special tokens
`<s> <pad> </s> <unk>`, the model's pieces from its fourth on, `<mask>` last; so an ordinary piece's
id is its sentencepiece id plus one. A pair of texts is encoded as `<s> A </s></s> B </s>`.
"""

from __future__ import annotations

from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from ..errors import TokenizerFileError, shown
from .sentencepiece_model import (
    BYTE,
    CONTROL,
    UNIGRAM_MODEL_TYPE,
    UNKNOWN,
    USER_DEFINED,
    SentencePieceModel,
    read_sentencepiece_model,
)
from .tokenizer_files import library_errors

UNK_ID = 3
_LEADING_TYPES = [UNKNOWN, CONTROL, CONTROL]  # <unk> <s> </s>, which the four special tokens replace


def build_unigram(
    path: Path,
    *,
    bos_token: str,
    pad_token: str,
    eos_token: str,
    unk_token: str,
    mask_token: str,
    add_prefix_space: bool,
) -> Tokenizer:
    """The tokenizer that the sentencepiece model in the file describes.

    Only the model's user-defined symbols are registered as added tokens. Raises TokenizerFileError
    where the file is malformed or asks for something that XLM-RoBERTa's scheme does not have.
    """
    model = read_sentencepiece_model(path)
    _check_scheme(model, path)
    leading = [bos_token, pad_token, eos_token, unk_token]
    tokens = [*leading, *model.pieces[3:], mask_token]
    _check_unique(tokens, path)
    scores = [0.0] * len(leading) + model.scores[3:] + [0.0]
    prepend = "always" if add_prefix_space else "never"
    with library_errors(path):
        tokenizer = Tokenizer(models.Unigram(list(zip(tokens, scores, strict=True)), UNK_ID, False))
        if model.charsmap:
            tokenizer.normalizer = normalizers.Precompiled(model.charsmap)
        tokenizer.add_tokens(
            [
                AddedToken(piece, normalized=False)
                for piece, kind in zip(model.pieces, model.types, strict=True)
                if kind == USER_DEFINED
            ]
        )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=prepend)]
    )
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme=prepend)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=[bos_token, "$A", eos_token],
        pair=[bos_token, "$A", eos_token, eos_token, "$B", eos_token],
        special_tokens=[(bos_token, tokens.index(bos_token)), (eos_token, tokens.index(eos_token))],
    )
    return tokenizer


def _check_scheme(model: SentencePieceModel, path: Path) -> None:
    if model.model_type != UNIGRAM_MODEL_TYPE:
        raise TokenizerFileError(f"{path}: model_type is {model.model_type}, expected 1 (unigram)")
    if model.types[:3] != _LEADING_TYPES:
        found = ", ".join(map(shown, model.pieces[:3]))
        raise TokenizerFileError(f"{path}: the first pieces are {found}, expected '<unk>', '<s>', '</s>'")
    if model.byte_fallback or BYTE in model.types:
        raise TokenizerFileError(f"{path}: byte_fallback is set, expected a model without byte pieces")
    if not model.add_dummy_prefix or not model.escape_whitespaces or model.treat_whitespace_as_suffix:
        raise TokenizerFileError(
            f"{path}: expected add_dummy_prefix and escape_whitespaces set and treat_whitespace_as_suffix not"
        )


def _check_unique(tokens: list[str], path: Path) -> None:
    if len(set(tokens)) != len(tokens):
        specials = {*tokens[:4], tokens[-1]}
        repeated = next((token for token in tokens[4:-1] if token in specials), tokens[-1])
        raise TokenizerFileError(f"{path}: special token {shown(repeated)} has two ids")
