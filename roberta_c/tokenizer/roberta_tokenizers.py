"""The tokenizer classes of RoBERTa and XLM-RoBERTa: their vocabulary files and special tokens."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from tokenizers import AddedToken

from ..errors import TokenizerFileError, mismatch
from .byte_level_bpe import build_byte_level_bpe, read_vocab
from .own_backend import AnyBackend
from .pretrained import PreTrainedTokenizerFast
from .special_tokens import TokenizerSettings
from .tokenizer_files import MERGES, SENTENCEPIECE, VOCAB


def _default_roles(*, normalized: bool) -> dict[str, AddedToken]:
    """Role → token. `<mask>` includes the space before it; `normalized` is that flag of the other tokens."""
    contents = {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "cls_token": "<s>",
    }
    roles = {
        role: AddedToken(content, normalized=normalized, special=True) for role, content in contents.items()
    }
    roles["mask_token"] = AddedToken("<mask>", lstrip=True, normalized=False, special=True)
    return roles


class RobertaTokenizerFast(PreTrainedTokenizerFast):
    """RoBERTa's byte-level BPE, from tokenizer.json or vocab.json with merges.txt."""

    vocabulary_files: ClassVar[tuple[str, ...]] = (VOCAB, MERGES)
    default_roles: ClassVar[dict[str, AddedToken]] = _default_roles(normalized=True)

    @classmethod
    def _build_backend(
        cls, folder: Path, roles: dict[str, AddedToken | None], settings: TokenizerSettings
    ) -> AnyBackend:
        tokens = _contents(roles, ("cls_token", "sep_token"), folder)
        vocab = read_vocab(folder / VOCAB)
        settings.largest_id = max(vocab.values())
        return build_byte_level_bpe(
            vocab,
            folder / VOCAB,
            folder / MERGES,
            **tokens,
            add_prefix_space=settings.options.get("add_prefix_space", False),
            trim_offsets=settings.options.get("trim_offsets", True),
        )


class XLMRobertaTokenizerFast(PreTrainedTokenizerFast):
    """XLM-RoBERTa's sentencepiece Unigram, from tokenizer.json or sentencepiece.bpe.model."""

    vocabulary_files: ClassVar[tuple[str, ...]] = (SENTENCEPIECE,)
    default_roles: ClassVar[dict[str, AddedToken]] = _default_roles(normalized=False)

    @classmethod
    def _build_backend(
        cls, folder: Path, roles: dict[str, AddedToken | None], settings: TokenizerSettings
    ) -> AnyBackend:
        from .unigram import build_unigram  # imported only if there is a sentencepiece model to read

        names = ("bos_token", "pad_token", "eos_token", "unk_token", "mask_token")
        return build_unigram(
            folder / SENTENCEPIECE,
            **_contents(roles, names, folder),
            add_prefix_space=settings.options.get("add_prefix_space", True),
        )


RobertaTokenizer = RobertaTokenizerFast
XLMRobertaTokenizer = XLMRobertaTokenizerFast


def _contents(roles: dict[str, AddedToken | None], names: tuple[str, ...], folder: Path) -> dict[str, str]:
    """Role → token for the roles in `names`. Raises TokenizerFileError if one has no token."""
    tokens = {name: roles.get(name) for name in names}
    for name, token in tokens.items():
        if token is None:
            raise TokenizerFileError(mismatch(f"{folder}: {name}", "null", "a token"))
    return {name: str(token) for name, token in tokens.items()}
