"""The only module that calls csrc/tokenizer/: owns its buffers, and turns a status into None or an exception.

A text that is not encoded here (None) is the tokenizers library's: see csrc/tokenizer/tokenizer.h.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memset

import os

import numpy as np

from ..errors import ResourceError, mismatch

cdef extern from "tokenizer.h" nogil:
    size_t RC_TEXT_MOST
    size_t RC_TRIE_NODES
    ctypedef enum rc_text_status:
        RC_TEXT_OK
        RC_TEXT_UNSURE
        RC_TEXT_FULL
        RC_TEXT_DUPLICATE
    int rc_is_utf8(const uint8_t *bytes, size_t n)
    uint8_t rc_code_point(uint32_t code_point)
    ctypedef struct rc_trie:
        uint64_t *edges
        uint32_t *values
        size_t slots
        size_t node_room
        size_t nodes
        uint32_t multiplier
        int shift
    rc_text_status rc_trie_add(rc_trie *trie, const uint8_t *bytes, size_t n, uint32_t value)
    void rc_trie_copy(const rc_trie *source, rc_trie *to)
    uint32_t rc_trie_child(const rc_trie *trie, uint32_t parent, uint8_t byte)
    uint32_t rc_trie_find(const rc_trie *trie, const uint8_t *bytes, size_t n)
    int rc_trie_occurs(const rc_trie *trie, const uint8_t *text, size_t n)
    ctypedef struct rc_charsmap:
        const uint8_t *units
        const uint8_t *texts
        size_t count
        size_t texts_size
    ctypedef struct rc_normalized:
        uint8_t *bytes
        int32_t *changes
        size_t size
        size_t chars
        int is_changed
    rc_text_status rc_normalize(const rc_charsmap *map, const uint8_t *text, size_t n, rc_normalized *out)
    rc_text_status rc_align(const uint8_t *text, size_t n, const rc_normalized *normalized, uint32_t *starts,
                            uint32_t *ends)
    ctypedef struct rc_unigram:
        rc_trie pieces
        const float *scores
        double unknown_score
        uint32_t unknown_id
        uint32_t after_space
        int prepends_space
    ctypedef struct rc_token:
        uint32_t id
        uint32_t word
        uint32_t start
        uint32_t end
        uint8_t is_prefixed
    ctypedef struct rc_best:
        double score
        uint32_t source "from"
        uint32_t id
    ctypedef struct rc_tokens:
        rc_token *tokens
        size_t room
        size_t count
        size_t at
        size_t words
        rc_best *best
    rc_text_status rc_unigram_encode(const rc_unigram *model, const uint8_t *text, size_t n, rc_tokens *out)
    ctypedef struct rc_byte_pairs:
        uint64_t *pairs
        uint32_t *ranks
        uint32_t *merged
        size_t slots
        uint64_t multiplier
        int shift
        uint32_t bytes[256]
        rc_trie tokens
        uint8_t *is_word
    ctypedef struct rc_symbol:
        pass
    ctypedef struct rc_merging:
        rc_symbol *symbols
        uint64_t *queue
    rc_text_status rc_add_pair(rc_byte_pairs *model, uint32_t left, uint32_t right, uint32_t rank)
    rc_text_status rc_longest_word(const uint8_t *text, size_t n, size_t *longest)
    rc_text_status rc_byte_pairs_encode(const rc_byte_pairs *model, const uint8_t *text, size_t n,
                                        rc_merging *merging, rc_tokens *out)

cdef enum:
    NO_MEMORY = 100
    FIRST_SLOTS = 1 << 12

# The text and all that is computed of it.
cdef struct work:
    rc_normalized normalized
    uint32_t *starts
    uint32_t *ends
    rc_tokens tokens


def code_point_properties(code_points) -> bytes:
    """The properties of code points, as tokenizer.h has them: for tests."""
    return bytes([rc_code_point(one) for one in code_points])


def scan_short_pieces(const uint8_t[::1] data, Py_ssize_t position) -> tuple:
    """(starts, end): where the messages of the pieces at `position` start that have less than 128 bytes, an
    int64 array, and where the last of them ends."""
    cdef Py_ssize_t size = data.shape[0], at = position, count = 0, end
    while at < size - 1 and data[at] == 0x0A:  # field 1, bytes
        end = at + 2 + data[at + 1]
        if data[at + 1] > 127 or end > size:
            break  # longer, or an error
        at = end
        count += 1
    starts = np.empty(count, np.int64)
    cdef int64_t[::1] view = starts
    cdef Py_ssize_t index
    at = position
    for index in range(count):
        view[index] = at + 2
        at += 2 + data[at + 1]
    return starts, at


cdef class Strings:
    """Strings with a number each: a trie. Only `__init__` and `add` change it."""

    cdef rc_trie trie

    def __cinit__(self):
        if self.make_room(FIRST_SLOTS) != 0:
            raise no_memory()

    def __dealloc__(self):
        free(self.trie.edges)
        free(self.trie.values)

    cdef int make_room(self, size_t slots) except -1:
        """Replaces the trie by one with as many slots; 1 if there is no memory for it."""
        cdef rc_trie larger
        memset(&larger, 0, sizeof(larger))
        larger.slots = slots
        larger.node_room = min(slots, RC_TRIE_NODES)
        larger.nodes = 1
        larger.multiplier = odd_number(4)
        larger.shift = 32
        while slots > 1:
            slots >>= 1
            larger.shift -= 1
        larger.edges = <uint64_t *>calloc(larger.slots, sizeof(uint64_t))
        larger.values = <uint32_t *>calloc(larger.node_room, sizeof(uint32_t))
        if larger.edges == NULL or larger.values == NULL:
            free(larger.edges)
            free(larger.values)
            return 1
        if self.trie.edges != NULL:
            rc_trie_copy(&self.trie, &larger)
        free(self.trie.edges)
        free(self.trie.values)
        self.trie = larger
        return 0

    cdef int expect(self, size_t size) except -1:
        """Make room, if there is memory for it, for strings of so many bytes in all, of which usual vocabularies
        need half as many nodes."""
        cdef size_t slots = FIRST_SLOTS
        while slots < size // 2 and slots < RC_TRIE_NODES:
            slots *= 2
        if slots > self.trie.slots:
            self.make_room(slots)
        return 0

    cdef rc_text_status add(self, const uint8_t *text, size_t n, uint32_t value) except *:
        cdef rc_text_status status
        if n > RC_TRIE_NODES - self.trie.nodes:
            return RC_TEXT_FULL  # before memory for it is asked
        status = rc_trie_add(&self.trie, text, n, value)
        while status == RC_TEXT_FULL:
            if self.trie.slots > 2 * RC_TRIE_NODES:
                return RC_TEXT_FULL
            if self.make_room(2 * self.trie.slots) != 0:
                raise no_memory()
            status = rc_trie_add(&self.trie, text, n, value)
        return status

    def __reduce__(self):
        raise TypeError("strings are not pickled: they are made from a vocabulary")


cdef object odd_number(int size):
    """A random odd number of so many bytes."""
    return int.from_bytes(os.urandom(size), "little") | 1


cdef object no_memory():
    return ResourceError(mismatch("memory", "too little free", "enough for the tokenizer"))


cdef Strings strings_of(list texts):
    """The strings, numbered by their places, each once."""
    cdef Strings strings = Strings()
    cdef bytes encoded
    for index, text in enumerate(texts):
        encoded = text.encode()
        if strings.add(<const uint8_t *>PyBytes_AS_STRING(encoded), len(encoded), index) == RC_TEXT_FULL:
            return None
    return strings


cdef class UnigramEncoder:
    """A sentencepiece Unigram: texts → the tokens that the tokenizers library makes of them.

    It never changes, so that threads can share it.
    """

    cdef Strings pieces
    cdef rc_unigram model
    cdef rc_charsmap map
    cdef bytes data
    cdef bytes charsmap
    cdef object starts
    cdef object ends
    cdef readonly object scores
    cdef readonly Py_ssize_t longest  # in characters

    def __cinit__(self, bytes data, starts, ends, scores, Py_ssize_t unknown_id, bytes charsmap, bint prepends_space):
        """data[starts[i]:ends[i]], int64 arrays, is the piece of id i, and scores[i], float32, its score.

        charsmap: checked by `check_charsmap`, or empty. Raises ValueError for pieces, or texts of the map, that
        are not UTF-8, and for two pieces that are the same; OverflowError for a vocabulary that is too large for this encoder.
        """
        cdef const int64_t[::1] first = starts, last = ends
        cdef const float[::1] score_view = scores
        cdef const uint8_t *text = <const uint8_t *>PyBytes_AS_STRING(data)
        cdef Py_ssize_t index, size = len(data), length, chars, at
        cdef rc_text_status status
        if len(starts) != len(ends) or len(starts) != len(scores) or not 0 <= unknown_id < len(starts):
            raise ValueError("arrays of different lengths")
        # Pieces are added in the order of their beginnings, so that the edges of one are in the cache for the
        # next: in the order of their ids it takes 1.8 times as long (AMD EPYC, Zen 3, 2026-11-29).
        beginnings = np.zeros(first.shape[0], np.uint64)
        cdef uint64_t[::1] beginning = beginnings
        for index in range(first.shape[0]):
            length = last[index] - first[index]
            if first[index] < 0 or length <= 0 or last[index] > size or <size_t>length > RC_TEXT_MOST:
                raise ValueError("an empty piece, or one that is not in the data")
            if not rc_is_utf8(text + first[index], length):
                raise ValueError("a piece that is not UTF-8")
            chars = 0
            for at in range(first[index], last[index]):
                chars += (text[at] & 0xC0) != 0x80
            self.longest = max(self.longest, chars)
            for at in range(8):
                beginning[index] = beginning[index] << 8 | (text[first[index] + at] if at < length else 0)
        cdef const int64_t[::1] order = np.argsort(beginnings).astype(np.int64)
        self.pieces = Strings()
        self.pieces.expect(int((ends - starts).sum()))
        for at in range(order.shape[0]):
            index = order[at]
            status = self.pieces.add(text + first[index], last[index] - first[index], index)
            if status == RC_TEXT_DUPLICATE:
                raise ValueError("the same piece twice")
            if status != RC_TEXT_OK:
                raise OverflowError("too large a vocabulary")
        self.data, self.charsmap = data, charsmap
        self.starts, self.ends, self.scores = starts, ends, scores
        self.model.pieces = self.pieces.trie
        self.model.scores = &score_view[0]
        self.model.unknown_score = float(scores.min()) - 10
        self.model.unknown_id = unknown_id
        self.model.prepends_space = prepends_space
        cdef uint32_t node = rc_trie_child(&self.model.pieces, 0, 0xE2)
        node = rc_trie_child(&self.model.pieces, node, 0x96) if node else 0
        self.model.after_space = rc_trie_child(&self.model.pieces, node, 0x81) if node else 0
        if charsmap:
            self.map.count = int.from_bytes(charsmap[:4], "little") // 4
            if 4 + 4 * self.map.count > <size_t>len(charsmap):
                raise ValueError("a character map that is shorter than its trie")
            self.map.units = <const uint8_t *>PyBytes_AS_STRING(charsmap) + 4
            self.map.texts = self.map.units + 4 * self.map.count
            self.map.texts_size = len(charsmap) - 4 - 4 * self.map.count
            # Normalized texts are read as UTF-8.
            if not rc_is_utf8(self.map.texts, self.map.texts_size):
                raise ValueError("a character map whose texts are not UTF-8")

    def __reduce__(self):
        given = self.data, self.starts, self.ends, self.scores, self.model.unknown_id, self.charsmap
        return type(self), (*given, bool(self.model.prepends_space))

    def __deepcopy__(self, memo):
        return self

    def __len__(self):
        return len(self.starts)

    def token(self, index) -> str | None:
        """The piece of an id; None if there is none."""
        if not 0 <= index < len(self.starts):
            return None
        return self.data[self.starts[index] : self.ends[index]].decode()

    def find(self, str token) -> int | None:
        """The id of a piece; None if it is none."""
        cdef bytes encoded = token.encode()
        cdef uint32_t found = rc_trie_find(
            &self.model.pieces, <const uint8_t *>PyBytes_AS_STRING(encoded), len(encoded)
        )
        return found - 1 if found else None

    def encode(self, str text not None, AddedStrings added not None, int detail=0) -> object:
        """The ids of a text's tokens; None for a text that the library must encode, such as one with a string
        of `added` in it. detail: 1 for (ids, offsets), 2 for (ids, offsets, words, tokens).
        """
        cdef bytes encoded
        try:
            encoded = text.encode()
        except UnicodeEncodeError:
            return None  # the library's error names the text
        cdef work done
        cdef int status
        cdef const uint8_t *at = <const uint8_t *>PyBytes_AS_STRING(encoded)
        cdef size_t n = <size_t>PyBytes_GET_SIZE(encoded)
        cdef const rc_trie *strings = &added.strings.trie
        memset(&done, 0, sizeof(done))
        try:
            with nogil:
                status = self.run(at, n, strings, detail, &done)
            if status == NO_MEMORY:
                raise no_memory()
            return None if status != RC_TEXT_OK else result_of(&done, detail, b"\xe2\x96\x81")
        finally:
            free(done.normalized.bytes)
            free(done.normalized.changes)
            free(done.starts)
            free(done.ends)
            free(done.tokens.tokens)
            free(done.tokens.best)

    cdef int run(self, const uint8_t *text, size_t n, const rc_trie *added, int detail, work *done) noexcept nogil:
        cdef int status
        cdef rc_normalized *normalized = &done.normalized
        if n > RC_TEXT_MOST or rc_trie_occurs(added, text, n):
            return RC_TEXT_UNSURE
        status = rc_normalize(&self.map, text, n, normalized)
        if status != RC_TEXT_OK or normalized.size > RC_TEXT_MOST:
            return RC_TEXT_UNSURE
        cdef size_t size = normalized.size
        normalized.bytes = <uint8_t *>malloc(size + 1)
        normalized.changes = <int32_t *>malloc((size + 1) * sizeof(int32_t))
        done.tokens.best = <rc_best *>malloc((size + 4) * sizeof(rc_best))
        if normalized.bytes == NULL or normalized.changes == NULL or done.tokens.best == NULL:
            return NO_MEMORY
        rc_normalize(&self.map, text, n, normalized)
        if detail:
            done.starts = <uint32_t *>malloc((size + 1) * sizeof(uint32_t))
            done.ends = <uint32_t *>malloc((size + 1) * sizeof(uint32_t))
            if done.starts == NULL or done.ends == NULL:
                return NO_MEMORY
            status = rc_align(text, n, normalized, done.starts, done.ends)
            if status != RC_TEXT_OK:
                return status
        status = more_tokens(&done.tokens, size // 3 + 16)
        while status == RC_TEXT_OK:
            status = rc_unigram_encode(&self.model, normalized.bytes, size, &done.tokens)
            if status != RC_TEXT_FULL:
                break
            status = more_tokens(&done.tokens, 2 * done.tokens.room)
        return status


cdef int more_tokens(rc_tokens *tokens, size_t room) noexcept nogil:
    cdef rc_token *larger = <rc_token *>realloc(tokens.tokens, room * sizeof(rc_token))
    if larger == NULL:
        return NO_MEMORY
    tokens.tokens = larger
    tokens.room = room
    return RC_TEXT_OK


cdef inline void pause(size_t index) noexcept:
    """Let other threads of Python run, such as one that handles a signal, each thousandth of a second or so."""
    if index & 0x3FFF == 0x3FFF:
        with nogil:
            pass


cdef list words_of(work *done):
    """The word of each token."""
    cdef list words = []
    cdef size_t index
    for index in range(done.tokens.count):
        words.append(done.tokens.tokens[index].word)
        pause(index)
    return words


cdef object result_of(work *done, int detail, bytes prefix):
    """What a call returns of its tokens."""
    cdef size_t index, count = done.tokens.count
    cdef const rc_token *tokens = done.tokens.tokens
    cdef list ids = []
    for index in range(count):
        ids.append(tokens[index].id)
        pause(index)
    if detail == 0:
        return ids
    cdef list offsets = []
    cdef uint32_t end
    for index in range(count):
        # A prefix alone comes from the word's first character.
        end = max(tokens[index].end, tokens[index].start + 1)
        offsets.append((done.starts[tokens[index].start], done.ends[end - 1]))
        pause(index)
    if detail == 1:
        return ids, offsets
    cdef list words = words_of(done)
    cdef list texts = []
    cdef bytes text
    for index in range(count):
        pause(index)
        text = (<const char *>done.normalized.bytes)[tokens[index].start : tokens[index].end]
        texts.append((prefix + text if tokens[index].is_prefixed else text).decode())
    return ids, offsets, words, texts


cdef class AddedStrings:
    """The added tokens of a tokenizer, which an encoder leaves to the library."""

    cdef Strings strings

    def __cinit__(self, list contents not None):
        self.strings = strings_of(contents)
        if self.strings is None:
            raise OverflowError("too many added tokens")

    def __reduce__(self):
        raise TypeError("added strings are not pickled: they are made from a vocabulary")


cdef class BytePairEncoder:
    """A byte-level BPE: texts → the tokens that the tokenizers library makes of them.

    It never changes but for what it remembers of its vocabulary, so that threads can share it.
    """

    cdef Strings strings
    cdef rc_byte_pairs model
    cdef readonly dict vocab
    cdef dict tokens
    cdef tuple given  # to __cinit__, for copies
    cdef bint adds_prefix_space
    cdef bint trims_offsets
    cdef readonly Py_ssize_t longest  # in characters

    def __cinit__(self, dict vocab not None, bytes texts not None, lengths, ids, pairs, results,
                  list byte_tokens, bint adds_prefix_space, bint trims_offsets):
        """vocab: token → id. texts: tokens as they stand in texts, one behind the other; lengths, int64, and
        ids, uint32, of each. pairs: uint32, the left and the right token of each pair, by rank; results: what
        they become. byte_tokens: the ids of the 256 bytes.

        Raises OverflowError for a vocabulary that is too large for this encoder, or for a pair with two ranks.
        """
        cdef const uint32_t[::1] pair = pairs, result = results, id_of = ids
        cdef const int64_t[::1] length_of = lengths
        cdef Py_ssize_t index, count = result.shape[0], place = 0
        cdef const uint8_t *text = <const uint8_t *>PyBytes_AS_STRING(texts)
        largest = max(vocab.values(), default=-1)
        if len(pairs) != 2 * len(results) or len(lengths) != len(ids) or len(byte_tokens) != 256:
            raise ValueError("arrays of different lengths")
        if largest >= <Py_ssize_t>RC_TRIE_NODES or count >= <Py_ssize_t>RC_TRIE_NODES:
            raise OverflowError("too large a vocabulary")
        self.vocab, self.tokens = vocab, {}
        self.given = (vocab, texts, lengths, ids, pairs, results, byte_tokens, adds_prefix_space, trims_offsets)
        self.adds_prefix_space, self.trims_offsets = adds_prefix_space, trims_offsets
        self.longest = max(map(len, vocab), default=0)
        self.model.multiplier = odd_number(8)
        self.model.slots = 16
        self.model.shift = 60
        while self.model.slots < 2 * <size_t>count:
            self.model.slots *= 2
            self.model.shift -= 1
        self.model.pairs = <uint64_t *>malloc(self.model.slots * sizeof(uint64_t))
        self.model.ranks = <uint32_t *>malloc(self.model.slots * sizeof(uint32_t))
        self.model.merged = <uint32_t *>malloc((count + 1) * sizeof(uint32_t))
        self.model.is_word = <uint8_t *>calloc(largest + 2, 1)
        if not (self.model.pairs and self.model.ranks and self.model.merged and self.model.is_word):
            raise no_memory()
        memset(self.model.pairs, 0xFF, self.model.slots * sizeof(uint64_t))
        for index in range(256):
            self.model.bytes[index] = byte_tokens[index]
        for index in range(count):
            self.model.merged[index] = result[index]
            if rc_add_pair(&self.model, pair[2 * index], pair[2 * index + 1], index) != RC_TEXT_OK:
                raise OverflowError("a pair with two ranks")
        self.strings = Strings()
        self.strings.expect(len(texts))
        for index in range(length_of.shape[0]):
            if not 0 < length_of[index] <= len(texts) - place or id_of[index] > largest:
                raise ValueError("a token that is not in the vocabulary")
            if self.strings.add(text + place, length_of[index], id_of[index]) != RC_TEXT_OK:
                raise OverflowError("too large a vocabulary")
            place += length_of[index]
        self.model.tokens = self.strings.trie

    @property
    def pairs(self):
        """The ids of the left and the right token of each pair, by rank: uint32."""
        return self.given[4]

    def __dealloc__(self):
        free(self.model.pairs)
        free(self.model.ranks)
        free(self.model.merged)
        free(self.model.is_word)

    def __reduce__(self):
        return type(self), self.given

    def __deepcopy__(self, memo):
        return self

    def __len__(self):
        return len(self.vocab)

    def token(self, index) -> str | None:
        """The token of an id; None if there is none."""
        if not self.tokens:
            self.tokens = {one: token for token, one in self.vocab.items()}
        return self.tokens.get(index)

    def find(self, str token) -> int | None:
        """The id of a token; None if there is none."""
        return self.vocab.get(token)

    def encode(self, str text not None, AddedStrings added not None, int detail=0) -> object:
        """The ids of a text's tokens; None for a text that the library must encode, such as one with a string
        of `added` in it. detail: 1 for (ids, offsets), 2 for (ids, offsets, words, tokens); the offsets of 2 are
        not trimmed.
        """
        cdef bytes encoded
        try:
            encoded = text.encode()
        except UnicodeEncodeError:
            return None  # the library's error names the text
        cdef bint is_prefixed = self.adds_prefix_space and len(encoded) > 0 and not encoded.startswith(b" ")
        if is_prefixed:
            encoded = b" " + encoded
        cdef work done
        cdef rc_merging merging
        cdef int status
        cdef const uint8_t *at = <const uint8_t *>PyBytes_AS_STRING(encoded)
        cdef size_t n = <size_t>PyBytes_GET_SIZE(encoded)
        cdef const rc_trie *strings = &added.strings.trie
        memset(&done, 0, sizeof(done))
        memset(&merging, 0, sizeof(merging))
        try:
            with nogil:
                status = self.run(at, n, strings, is_prefixed, detail, &merging, &done)
            if status == NO_MEMORY:
                raise no_memory()
            if status != RC_TEXT_OK:
                return None
            found = result_of(&done, min(detail, 1), b"")
            if detail == 1 and self.trims_offsets:
                return found[0], self.trimmed(found[1], encoded, &done)
            if detail < 2:
                return found
            words = words_of(&done)
            return *found, words, [self.token(one) for one in found[0]]
        finally:
            free(done.starts)
            free(done.ends)
            free(done.tokens.tokens)
            free(merging.symbols)
            free(merging.queue)

    cdef list trimmed(self, list offsets, bytes encoded, work *done):
        """The offsets without the spaces at the ends of tokens, as the library's post-processor trims them."""
        cdef const uint8_t *text = <const uint8_t *>PyBytes_AS_STRING(encoded)
        cdef size_t index, first, last
        cdef Py_ssize_t leading, trailing, start, end
        cdef list trimmed = []
        for index in range(done.tokens.count):
            first, last = done.tokens.tokens[index].start, done.tokens.tokens[index].end
            leading = trailing = 0
            while first + leading < last and text[first + leading] == b" ":
                leading += 1
            while last - trailing > first and text[last - trailing - 1] == b" ":
                trailing += 1
            start, end = offsets[index]
            if leading > 0:
                if (index == 0 or start == 0) and self.adds_prefix_space and leading == 1:
                    leading = 0  # it is not in the text
                start = min(start + leading, end)
            if trailing > 0 and end >= trailing:
                end = max(end - trailing, start)
            trimmed.append((start, end))
            pause(index)
        return trimmed

    cdef int run(self, const uint8_t *text, size_t n, const rc_trie *added, bint is_prefixed, int detail,
                 rc_merging *merging, work *done) noexcept nogil:
        cdef int status
        cdef size_t longest = 0, index
        cdef uint32_t place = 0
        if n > RC_TEXT_MOST or rc_trie_occurs(added, text + is_prefixed, n - is_prefixed):
            return RC_TEXT_UNSURE
        status = rc_longest_word(text, n, &longest)
        if status != RC_TEXT_OK:
            return status
        merging.symbols = <rc_symbol *>malloc((longest + 1) * sizeof(rc_symbol))
        merging.queue = <uint64_t *>malloc((longest + 1) * 3 * sizeof(uint64_t))
        if merging.symbols == NULL or merging.queue == NULL:
            return NO_MEMORY
        if detail:
            done.starts = <uint32_t *>malloc((n + 1) * sizeof(uint32_t))
            done.ends = <uint32_t *>malloc((n + 1) * sizeof(uint32_t))
            if done.starts == NULL or done.ends == NULL:
                return NO_MEMORY
            for index in range(n):
                # A space before the text comes from its first character.
                if index > <size_t>is_prefixed and (text[index] & 0xC0) != 0x80:
                    place += 1
                done.starts[index] = place
                done.ends[index] = place + 1
        status = more_tokens(&done.tokens, n // 3 + 16)
        while status == RC_TEXT_OK:
            status = rc_byte_pairs_encode(&self.model, text, n, merging, &done.tokens)
            if status != RC_TEXT_FULL:
                break
            status = more_tokens(&done.tokens, 2 * done.tokens.room)
        return status
