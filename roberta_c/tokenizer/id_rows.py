"""IdRows, a vocabulary that knows which special tokens surround a row of ids."""

from __future__ import annotations

from typing import Any

from ..errors import InputError, mismatch
from .arguments import as_flag
from .vocabulary import TokenVocabulary, as_ids


class IdRows(TokenVocabulary):
    """What transformers' tokenizers say of rows of ids without a text."""

    model_max_length: int

    @property
    def max_len_single_sentence(self) -> int:
        """`model_max_length` without the special tokens of a text."""
        return self.model_max_length - self.num_special_tokens_to_add()

    @property
    def max_len_sentences_pair(self) -> int:
        """`model_max_length` without the special tokens of a pair."""
        return self.model_max_length - self.num_special_tokens_to_add(pair=True)

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """How many special tokens are added to a text (or pair)."""
        return self._backend.num_special_tokens_to_add(as_flag("pair", pair))

    def get_special_tokens_mask(
        self, token_ids_0: Any, token_ids_1: Any = None, already_has_special_tokens: bool = False
    ) -> list[int]:
        """1 for each special token and 0 for each other token of a row that has its special tokens."""
        if token_ids_1 is not None or already_has_special_tokens is not True:
            expected = "one row of ids, and already_has_special_tokens=True"
            raise InputError(mismatch("get_special_tokens_mask", "other arguments", expected))
        special = set(self.all_special_ids)
        return [int(token in special) for token in as_ids(token_ids_0)]

    def build_inputs_with_special_tokens(self, token_ids_0: Any, token_ids_1: Any = None) -> list[int]:
        """The ids of a text or pair with special tokens: `<s> A </s>` or `<s> A </s></s> B </s>`."""
        cls, sep = [self.cls_token_id], [self.sep_token_id]
        if cls[0] is None or sep[0] is None:
            found, expected = "a tokenizer without cls_token or sep_token", "one with both"
            raise InputError(mismatch("build_inputs_with_special_tokens", found, expected))
        first = cls + as_ids(token_ids_0) + sep
        return first if token_ids_1 is None else first + sep + as_ids(token_ids_1) + sep

    def create_token_type_ids_from_sequences(self, token_ids_0: Any, token_ids_1: Any = None) -> list[int]:
        """The token types of `build_inputs_with_special_tokens`: zeros, as the models of this family take."""
        return [0] * len(self.build_inputs_with_special_tokens(token_ids_0, token_ids_1))
