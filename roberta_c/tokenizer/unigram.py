"""A sentencepiece model → the Unigram tokenizer that XLM-RoBERTa uses.

A text is normalized by the model's character map and split at white space. Each word is prefixed with ▁ and
segmented into the pieces with the highest total score. Ids follow fairseq: `<s> <pad> </s> <unk>`, the pieces
of the model from its fourth on, `<mask>`. So an ordinary piece has the id that sentencepiece gives it, plus
one. A pair of texts is encoded as `<s> A </s></s> B </s>`.
"""

from __future__ import annotations

from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from ..errors import TokenizerFileError, mismatch, shown
from .components import check_charsmap
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
) -> Tokenizer:
    """The tokenizer that the sentencepiece model in the file describes.

    Its added tokens are the model's user-defined symbols. Raises TokenizerFileError if the file is malformed,
    or if the model needs something that XLM-RoBERTa's tokenizer does not have.
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
            check_charsmap(model.charsmap, path)
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
        raise TokenizerFileError(mismatch(f"{path}: model_type", model.model_type, "1 (unigram)"))
    if model.types[:3] != _LEADING_TYPES:
        found = ", ".join(map(shown, model.pieces[:3]))
        kinds = ", ".join(map(str, model.types[:3]))
        expected = "'<unk>', '<s>', '</s>' of the types 2, 3, 3"
        raise TokenizerFileError(
            mismatch(f"{path}: the first pieces", f"{found} of the types {kinds}", expected)
        )
    if model.byte_fallback or BYTE in model.types:
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
