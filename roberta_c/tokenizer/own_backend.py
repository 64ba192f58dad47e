"""OwnBackend: a tokenizer whose texts are encoded here, and for the rest the tokenizers library.

It stands where a tokenizers.Tokenizer does. An encoder (csrc/tokenizer/) has the vocabulary. The library's
tokenizer of the same vocabulary, which takes longer to make than all else, is made when it is first needed:
for a text with an added token in it, with code points that versions of Unicode disagree about, or with
characters that join others by rules that are not written here (Hangul jamo, prepended marks, "©" with a
joiner), for words, for overflowing parts, and for whoever asks for it. A *shell*, the library's tokenizer
without a vocabulary, has the other components, and adds special tokens.

Ids, offsets, words and tokens are those of the library; tests/tokenizer/test_encoder_*.py compare them.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from tokenizers import AddedToken, Encoding, Tokenizer

from ._encoder import AddedStrings
from .library_calls import in_groups
from .own_rows import OwnRow, RowForm

# A text is searched for added tokens of at most as many characters, at each of its places.
_LONGEST_ADDED = 64


class Encoder(Protocol):
    """What UnigramEncoder and BytePairEncoder share; their methods are described in _encoder.pyx."""

    @property
    def longest(self) -> int:
        """The most characters of a token."""

    def __len__(self) -> int: ...

    def token(self, index: int) -> str | None:
        """The token of an id; None if there is none."""

    def find(self, token: str) -> int | None:
        """The id of a token; None if there is none."""

    def encode(self, text: str, added: AddedStrings, detail: int = 0) -> Any:
        """The tokens of a text."""


# Makes the library's tokenizer of an encoder's vocabulary with a shell's components, without added tokens.
Build = Callable[[Any, Tokenizer], Tokenizer]


class OwnBackend:
    """An encoder and what else a tokenizers.Tokenizer has, with that class's names.

    kind: the library's name of the model. shell: the library's tokenizer with all components but the model.
    build: a function that can be pickled. ends: the ids before and behind a text.
    """

    def __init__(
        self,
        kind: str,
        encoder: Encoder,
        shell: Tokenizer,
        build: Build,
        ends: tuple[int, int],
    ) -> None:
        self.kind = kind
        self.encoder = encoder
        self.shell = shell
        self.ends = ends
        # Whether texts are encoded here: False once the added tokens are other than those of the vocabulary,
        # or somebody has the library's tokenizer and can change it. Then all is the library's.
        self.is_own = True
        self._build = build
        self._lock = threading.Lock()
        self._library: Tokenizer | None = None
        self._added: dict[int, AddedToken] = {}
        self._calls_of_add: list[list[AddedToken]] = []
        self._added_strings = AddedStrings([])
        _all_backends.add(self)

    def __reduce__(self) -> tuple[Any, ...]:
        if not self.is_own:
            return _as_it_is, (self.library,)
        given = self.kind, self.encoder, self.shell, self._build, self.ends
        return _made_again, (given, self._calls_of_add, self.shell.encode_special_tokens)

    def new_lock(self) -> None:
        """In a forked child: the thread that held the lock is not there."""
        self._lock = threading.Lock()

    def hand_out(self) -> Tokenizer:
        """The library's tokenizer for one who may change it: this object, which copies of a tokenizer share,
        leaves everything to it from now on."""
        library = self.library
        self.is_own = False
        return library

    @property
    def components(self) -> Tokenizer:
        """What has the components that are in use: the shell, or the library's tokenizer."""
        return self.shell if self.is_own else self.library

    @property
    def library(self) -> Tokenizer:
        """The library's tokenizer, for one who does not change it."""
        with self._lock:
            if self._library is None:
                library = self._build(self.encoder, self.shell)
                for tokens in self._calls_of_add:
                    library.add_tokens(tokens)
                library.encode_special_tokens = self.shell.encode_special_tokens
                self._library = library
            return self._library

    # The names of tokenizers.Tokenizer

    @property
    def encode_special_tokens(self) -> bool:
        """Whether added special tokens in a text are split as other text is."""
        return self.components.encode_special_tokens

    @encode_special_tokens.setter
    def encode_special_tokens(self, value: bool) -> None:
        self.shell.encode_special_tokens = value
        if self._library is not None:
            self._library.encode_special_tokens = value

    @property
    def normalizer(self) -> Any:
        """What is done to texts first."""
        return self.components.normalizer

    @property
    def pre_tokenizer(self) -> Any:
        """What makes words of texts."""
        return self.components.pre_tokenizer

    @property
    def post_processor(self) -> Any:
        """What adds special tokens."""
        return self.components.post_processor

    @property
    def decoder(self) -> Any:
        """What makes text of tokens."""
        return self.components.decoder

    def token_to_id(self, token: str) -> int | None:
        """The id of a token; None if it is not in the vocabulary."""
        return self.encoder.find(str.__str__(token)) if self.is_own else self.library.token_to_id(token)

    def id_to_token(self, index: int) -> str | None:
        """The token of an id; None if it is not in the vocabulary."""
        if not self.is_own:
            return self.library.id_to_token(index)
        return self.encoder.token(index)

    def get_vocab_size(self, with_added_tokens: bool = True) -> int:
        """The number of tokens."""
        return len(self.encoder) if self.is_own else self.library.get_vocab_size(with_added_tokens)

    def get_vocab(self, with_added_tokens: bool = True) -> dict[str, int]:
        """Every token → its id."""
        return self.library.get_vocab(with_added_tokens)

    def get_added_tokens_decoder(self) -> dict[int, AddedToken]:
        """Id → added token."""
        return dict(self._added) if self.is_own else self.library.get_added_tokens_decoder()

    def num_special_tokens_to_add(self, is_pair: bool) -> int:
        """How many special tokens are added to a text or pair."""
        return self.components.num_special_tokens_to_add(is_pair)

    def add_tokens(self, tokens: list[AddedToken]) -> int:
        """Add tokens; how many were new. Other tokens than those of the vocabulary are the library's matter,
        and so are those that are found in normalized texts."""
        contents = {token.content for token in self._added.values()}
        usual = all(
            0 < len(token.content) <= _LONGEST_ADDED
            and token.content not in contents
            and self.encoder.find(token.content) is not None
            and not (token.normalized and self.normalizer is not None)
            for token in tokens
        )
        if not self.is_own or not usual or len({token.content for token in tokens}) < len(tokens):
            added = self.library.add_tokens(tokens)
            self.is_own = False
            return added
        self._calls_of_add.append(list(tokens))
        if self._library is not None:
            self._library.add_tokens(tokens)
        for token in tokens:
            index = self.encoder.find(token.content)
            if index is not None:
                self._added[index] = token
        self._added_strings = AddedStrings([token.content for token in self._added.values()])
        return len(tokens)

    def decode(self, ids: list[int], skip_special_tokens: bool = True) -> str:
        """The text of ids."""
        if not self.is_own:
            return self.library.decode(ids, skip_special_tokens=skip_special_tokens)
        special = {token.content for token in self._added.values() if token.special}
        tokens = [token for token in map(self.id_to_token, ids) if token is not None]
        if skip_special_tokens:
            tokens = [token for token in tokens if token not in special]
        return self.decoder.decode(tokens)  # type: ignore[no-any-return]

    def post_process(self, encoding: Encoding, pair: Encoding | None, add_special_tokens: bool) -> Encoding:
        """Add special tokens."""
        return self.components.post_process(encoding, pair, add_special_tokens)

    def save(self, path: str) -> None:
        """Write tokenizer.json."""
        self.library.save(path)

    # Encoding

    def rows(self, items: list[Any], is_pair: bool, form: RowForm) -> list[OwnRow | None]:
        """The rows of texts or pairs; None for those that the library must encode."""
        added = self._added_strings
        encode = self.encoder.encode
        rows: list[OwnRow | None] = []
        for item in items:
            texts = item if is_pair else (item,)
            parts = [encode(text, added) for text in texts]
            rows.append(None if None in parts else OwnRow.cut(self, texts, parts, form))
        return rows

    def detailed(self, text: str, detail: int) -> tuple[Any, ...]:
        """What the encoder makes of a text that it has encoded before. Signals can interrupt it."""

        def encode(texts: list[str]) -> list[tuple[Any, ...]]:
            return [self.encoder.encode(one, self._added_strings, detail) for one in texts]

        return in_groups(encode, [text], [text], [len(text)])[0]


AnyBackend = Tokenizer | OwnBackend


def library_of(backend: AnyBackend) -> Tokenizer:
    """The library's tokenizer of a backend."""
    return backend.library if isinstance(backend, OwnBackend) else backend


def model_kind(backend: AnyBackend) -> str:
    """The library's name of a backend's model: "BPE", "Unigram", …"""
    return backend.kind if isinstance(backend, OwnBackend) else type(backend.model).__name__


def _as_it_is(backend: Tokenizer) -> Tokenizer:
    return backend


def _made_again(
    given: tuple[Any, ...], calls_of_add: list[list[AddedToken]], encode_special_tokens: bool
) -> OwnBackend:
    backend = OwnBackend(*given)
    for tokens in calls_of_add:
        backend.add_tokens(tokens)
    backend.encode_special_tokens = encode_special_tokens
    return backend


_all_backends: weakref.WeakSet[OwnBackend] = weakref.WeakSet()


def _after_fork() -> None:
    for backend in list(_all_backends):
        backend.new_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
