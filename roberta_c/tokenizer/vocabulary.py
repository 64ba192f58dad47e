"""TokenVocabulary, the base of tokenizers: tokens ↔ ids ↔ text, and special tokens by their roles."""

from __future__ import annotations

import logging
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from tokenizers import AddedToken, Tokenizer

from ..config.load_keywords import TOKENIZER_DECODE_KEYWORDS
from ..errors import InputError, TokenizerFileError, mismatch, shown
from .arguments import as_flag, as_index, check_keywords, is_encodable
from .own_backend import AnyBackend, OwnBackend, model_kind
from .special_tokens import EXTRA, ROLES, as_added_token
from .text_input import as_listed
from .tokenizer_files import is_panic
from .vocabulary_ids import largest_id

logger = logging.getLogger(__name__)

_EXTRA_OLD_NAME = "additional_special_tokens"
_DECODE_ARGUMENTS = ("token_ids", "skip_special_tokens", "clean_up_tokenization_spaces")


def _role(role: str) -> Any:
    """An attribute such as `mask_token`: a token or None. An assigned token must be in the vocabulary."""

    def get(self: TokenVocabulary) -> str | None:
        return self._roles.get(role)

    def set_(self: TokenVocabulary, token: str | AddedToken | None) -> None:
        self._roles[role] = None if token is None else self._known_token(role, token)

    return property(get, set_)


def _role_id(role: str) -> Any:
    """An attribute such as `mask_token_id`: an id or None."""

    def get(self: TokenVocabulary) -> int | None:
        token = self._roles.get(role)
        return None if token is None else self._backend.token_to_id(token)

    def set_(self: TokenVocabulary, index: int | None) -> None:
        token = self._backend.id_to_token(_as_id(index)) if _is_id(index) else None
        if index is not None and token is None:
            raise InputError(mismatch(f"{role}_id", shown(index), "an id of the vocabulary"))
        self._roles[role] = token

    return property(get, set_)


class TokenVocabulary:
    """The backend, a tokenizers.Tokenizer or what stands for one, and its tokens with roles."""

    bos_token, bos_token_id = _role("bos_token"), _role_id("bos_token")
    eos_token, eos_token_id = _role("eos_token"), _role_id("eos_token")
    unk_token, unk_token_id = _role("unk_token"), _role_id("unk_token")
    sep_token, sep_token_id = _role("sep_token"), _role_id("sep_token")
    pad_token, pad_token_id = _role("pad_token"), _role_id("pad_token")
    cls_token, cls_token_id = _role("cls_token"), _role_id("cls_token")
    mask_token, mask_token_id = _role("mask_token"), _role_id("mask_token")
    pad_token_type_id = 0

    clean_up_tokenization_spaces: bool
    name_or_path: str
    # Of the model's vocabulary; None if it is to be looked up.
    _largest_id: int | None = None

    def __init__(self, backend: AnyBackend, roles: Mapping[str, str | None], extra: Iterable[str]) -> None:
        self._backend = backend
        self._roles: dict[str, str | None] = {role: roles.get(role) for role in ROLES}
        self._extra = list(extra)

    # Sizes and tables

    @property
    def backend_tokenizer(self) -> Tokenizer:
        """The tokenizers.Tokenizer that all calls use from now on."""
        return self._use_library()

    def _use_library(self) -> Tokenizer:
        """Leave everything to the library's tokenizer, which may be changed."""
        if isinstance(self._backend, OwnBackend):
            self._backend = self._backend.hand_out()
        return self._backend

    @property
    def decoder(self) -> Any:
        """What makes text of tokens in `backend_tokenizer`."""
        return self._backend.decoder

    @property
    def vocab_size(self) -> int:
        """The number of tokens in the model's vocabulary, without those added to it."""
        return self._backend.get_vocab_size(with_added_tokens=False)

    def __len__(self) -> int:
        return self._backend.get_vocab_size(with_added_tokens=True)

    def get_vocab(self) -> dict[str, int]:
        """Every token → its id, added tokens included."""
        return self._backend.get_vocab(with_added_tokens=True)

    @property
    def vocab(self) -> dict[str, int]:
        """Every token → its id, added tokens included."""
        return self.get_vocab()

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """Id → token, by ascending id, for the added tokens: those found in a text before it is split."""
        return dict(sorted(self._backend.get_added_tokens_decoder().items()))

    @property
    def added_tokens_encoder(self) -> dict[str, int]:
        """Token → id for the tokens of `added_tokens_decoder`."""
        return {token.content: index for index, token in self.added_tokens_decoder.items()}

    def get_added_vocab(self) -> dict[str, int]:
        """Token → id for the tokens of `added_tokens_decoder`."""
        return self.added_tokens_encoder

    def check_fits(self, vocab_size: int) -> None:
        """Raise TokenizerFileError for a token that a model of `vocab_size` embeddings has none for.

        A model may have more embeddings than the tokenizer has tokens.
        """
        if self._largest_id is None:
            self._largest_id = largest_id(self._backend)
        largest = max([self._largest_id, *self._backend.get_added_tokens_decoder()])
        if largest >= as_index("vocab_size", vocab_size):
            found = f"token {shown(self._backend.id_to_token(largest))} with id {largest}"
            expected = f"ids below {vocab_size}, the number of the model's embeddings (vocab_size)"
            raise TokenizerFileError(mismatch(self.name_or_path, found, expected))

    # Special tokens

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """Role → token, for the roles that have one."""
        return {role: token for role, token in self._roles.items() if token is not None}

    @property
    def extra_special_tokens(self) -> list[str]:
        """Special tokens without a role. Assigned ones must be in the vocabulary."""
        return list(self._extra)

    @extra_special_tokens.setter
    def extra_special_tokens(self, tokens: Sequence[str | AddedToken] | None) -> None:
        if not isinstance(tokens, list | tuple | None):
            raise InputError(mismatch(EXTRA, shown(tokens), "a list of tokens"))
        self._extra = list(dict.fromkeys(self._known_token(EXTRA, token) for token in tokens or []))

    @property
    def extra_special_tokens_ids(self) -> list[int]:
        """The ids of `extra_special_tokens`."""
        ids: list[int] = self.convert_tokens_to_ids(self._extra)
        return ids

    # The same under the name that they had before transformers 5.
    additional_special_tokens = extra_special_tokens
    additional_special_tokens_ids = extra_special_tokens_ids

    @property
    def all_special_tokens(self) -> list[str]:
        """The tokens with a role, in the roles' order, then the others; each once."""
        return list(dict.fromkeys([*self.special_tokens_map.values(), *self._extra]))

    @property
    def all_special_ids(self) -> list[int]:
        """The ids of `all_special_tokens`."""
        ids: list[int] = self.convert_tokens_to_ids(self.all_special_tokens)
        return ids

    def add_tokens(self, new_tokens: Any, special_tokens: bool = False) -> int:
        """Add a token or a list of them (str, AddedToken, or its fields in a dict); return how many were new.

        New tokens get the ids from `len(self)` on. `decode(skip_special_tokens=True)` skips special ones. No
        other thread may use the tokenizer meanwhile. Copies made by `copy.copy` have the new tokens too. From
        then on the tokenizers library encodes all texts, which takes longer; so it does from the beginning if
        a vocabulary's file has added tokens of more than 64 characters.
        """
        if isinstance(new_tokens, str | Mapping) or hasattr(new_tokens, "content"):
            new_tokens = [new_tokens]
        if not isinstance(new_tokens, list | tuple):
            raise InputError(mismatch("new_tokens", shown(new_tokens), "a token or a list of tokens"))
        special = True if special_tokens else None
        tokens = [as_added_token("new_tokens", token, special=special) for token in new_tokens]
        return self._use_library().add_tokens(tokens)

    def add_special_tokens(
        self, special_tokens_dict: Mapping[str, Any], replace_extra_special_tokens: bool = True
    ) -> int:
        """Give roles to tokens, add those that are not in the vocabulary, and return how many were new.

        special_tokens_dict: role (`mask_token`, …) → token, and `extra_special_tokens` or
            `additional_special_tokens` → a list of tokens.
        replace_extra_special_tokens: whether that list replaces the present one, or is appended to it.
        """
        if not isinstance(special_tokens_dict, Mapping):
            expected = "a dict from role to token"
            raise InputError(mismatch("special_tokens_dict", shown(special_tokens_dict), expected))
        added = 0
        for name, value in special_tokens_dict.items():
            if name in ROLES:
                added += self.add_tokens([value], special_tokens=True)
                setattr(self, name, as_added_token(name, value))
            elif name in (EXTRA, _EXTRA_OLD_NAME):
                if not isinstance(value, list | tuple):
                    raise InputError(mismatch(name, shown(value), "a list of tokens"))
                added += self.add_tokens(value, special_tokens=True)
                kept = [] if replace_extra_special_tokens else self._extra
                new = [as_added_token(name, token).content for token in value]
                self._extra = list(dict.fromkeys([*kept, *new]))
            else:
                expected = ", ".join([*ROLES, EXTRA])
                raise InputError(
                    mismatch("special_tokens_dict", f"the key {shown(name)}", f"one of {expected}")
                )
        return added

    def _known_token(self, name: str, token: Any) -> str:
        content = as_added_token(name, token).content
        if self._backend.token_to_id(content) is None:
            expected = "a token of the vocabulary; add_special_tokens adds tokens to it"
            raise InputError(mismatch(name, shown(content), expected))
        return content

    # Tokens ↔ ids ↔ text

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        """The id of a token, or a list of ids for a list of tokens; `unk_token_id` for unknown ones."""
        if isinstance(tokens, str) and is_encodable(tokens):
            index = self._backend.token_to_id(tokens)
            return self.unk_token_id if index is None else index
        listed = as_listed(tokens, takes_tuples=True)
        if not _are_tokens(listed):
            raise InputError(mismatch("tokens", shown(tokens), "str or a list of str"))
        return [self.convert_tokens_to_ids(token) for token in listed or ()]

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """The token of an id, or the list of the tokens of ids; None for ids beyond the vocabulary."""
        if _is_int(ids):
            return self._backend.id_to_token(_as_id(ids))
        skipped = set(self.all_special_ids) if as_flag("skip_special_tokens", skip_special_tokens) else set()
        return [self._backend.id_to_token(index) for index in as_ids(ids) if index not in skipped]

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """The text of the tokens, special ones included."""
        if not _are_tokens(tokens):
            raise InputError(mismatch("tokens", shown(tokens), "a list of str"))
        decoder = self._backend.decoder
        with _decoding("tokens"):
            return " ".join(tokens) if decoder is None else decoder.decode(list(tokens))

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **keywords: Any,
    ) -> Any:
        """The text of token ids; a list of texts for a list of rows.

        token_ids: an int, a row of ints, rows of ints, arrays of those, or a mapping with `input_ids`. Ids
            beyond the vocabulary are skipped, as in transformers.
        clean_up_tokenization_spaces: whether to remove the space before punctuation and English
            contractions. Byte-level BPE does not need that: there it has no effect, and a warning says so.
        keywords: those of transformers that change nothing here. Raises InputError.
        """
        check_keywords(keywords, TOKENIZER_DECODE_KEYWORDS, _DECODE_ARGUMENTS)
        skip_special_tokens = as_flag("skip_special_tokens", skip_special_tokens)
        if isinstance(token_ids, Mapping):
            if "input_ids" not in token_ids:
                raise InputError(mismatch("token_ids", shown(list(token_ids)), "a field input_ids"))
            token_ids = token_ids["input_ids"]
        token_ids = _as_list(token_ids)
        is_list = isinstance(token_ids, list | tuple)
        if is_list and token_ids and isinstance(_as_list(token_ids[0]), list | tuple):
            return [self.decode(row, skip_special_tokens, clean_up_tokenization_spaces) for row in token_ids]
        ids = [_as_id(token_ids)] if _is_int(token_ids) else as_ids(token_ids)
        with _decoding("token_ids"):
            text = self._backend.decode(ids, skip_special_tokens=skip_special_tokens)
        if clean_up_tokenization_spaces is None:
            clean_up_tokenization_spaces = self.clean_up_tokenization_spaces
        if clean_up_tokenization_spaces:
            if model_kind(self._backend) == "BPE":
                logger.warning("clean_up_tokenization_spaces has no effect on a byte-level BPE tokenizer")
            else:
                text = clean_up_tokenization(text)
        return text

    def batch_decode(
        self,
        sequences: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **keywords: Any,
    ) -> list[str]:
        """The texts of rows of ids; a single row gives a list of one text. Arguments as for `decode`."""
        texts = self.decode(sequences, skip_special_tokens, clean_up_tokenization_spaces, **keywords)
        return [texts] if isinstance(texts, str) else texts

    @staticmethod
    def clean_up_tokenization(text: str) -> str:
        """`text` without the space before punctuation and English contractions."""
        if not isinstance(text, str):
            raise InputError(mismatch("text", shown(text), "str"))
        return clean_up_tokenization(text)


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Raise what the tokenizers library raises over the argument `name`, panics included, as InputError."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        message = f"{name}: the tokenizers library cannot decode them: {shown(str(error), 200)}"
        raise InputError(message) from error


def clean_up_tokenization(text: str) -> str:
    """`text` without the space before punctuation and English contractions."""
    for tail in (".", "?", "!", ","):
        text = text.replace(f" {tail}", tail)
    text = text.replace(" ' ", "'")
    for tail in ("n't", "'m", "'s", "'ve", "'re"):
        text = text.replace(f" {tail}", tail)
    return text


def _are_tokens(values: Any) -> bool:
    return isinstance(values, list | tuple) and all(
        isinstance(one, str) and is_encodable(one) for one in values
    )


def _is_int(value: Any) -> bool:
    return isinstance(value, int | np.integer)


def _is_id(value: Any) -> bool:
    return _is_int(value) and not isinstance(value, bool) and 0 <= value < 2**32


def _as_id(value: Any) -> int:
    try:
        index = operator.index(value)
    except TypeError:
        index = -1
    if not 0 <= index < 2**32:
        raise InputError(mismatch("token ids", shown(value), "integers of at least 0"))
    return index


def _as_list(values: Any) -> Any:
    """An array, of NumPy or of torch, as a list, or as a number if it has no dimensions; others unchanged."""
    return values.tolist() if hasattr(values, "tolist") else values


def as_ids(values: Any) -> list[int]:
    """A row of ids, in a list, tuple or array, as a list of ints. Raises InputError for anything else."""
    listed = as_listed(values, takes_tuples=True)
    if listed is None:
        raise InputError(mismatch("token ids", shown(values), "an int, or ints in a list or array"))
    return [_as_id(value) for value in listed]
