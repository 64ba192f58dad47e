"""Tokenizers, and how they are made from files: byte-level BPE, sentencepiece or tokenizer.json."""

from __future__ import annotations

from tokenizers import AddedToken, Encoding

from .auto_tokenizer import AutoTokenizer
from .batch_encoding import BatchEncoding, CharSpan, TokenSpan
from .pretrained import PreTrainedTokenizerFast
from .roberta_tokenizers import (
    RobertaTokenizer,
    RobertaTokenizerFast,
    XLMRobertaTokenizer,
    XLMRobertaTokenizerFast,
)

__all__ = [
    "AddedToken",
    "AutoTokenizer",
    "BatchEncoding",
    "CharSpan",
    "Encoding",
    "PreTrainedTokenizerFast",
    "RobertaTokenizer",
    "RobertaTokenizerFast",
    "TokenSpan",
    "XLMRobertaTokenizer",
    "XLMRobertaTokenizerFast",
]
