"""Rows → windows of token ids that the model takes, and windows → batches of similar length.

A row is one window, truncated if it is too long; or several, each of which repeats `stride` tokens of the one
before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ..errors import InputError, mismatch
from ..tokenizer import Encoding
from .rows import TextRow

# The most tokens of a batch: the model needs some kilobytes of memory for each.
BATCH_TOKENS = 1 << 14
# A text of more characters than `max_tokens` times this, and than LONG_TEXT, is encoded by its beginning:
# tokenizing a complete book to use its first page would take seconds and gigabytes.
CHARACTERS_PER_TOKEN = 16
LONG_TEXT = 1 << 13


class Window(NamedTuple):
    """Tokens that go through the model together: all of a row, its beginning, or a part of it.

    truncated: whether tokens of the row were cut off. encoding: the tokens' places in the text, for the tasks
    that need them.
    """

    ids: list[int]
    truncated: bool = False
    encoding: Encoding | None = None


def encode_rows(
    tokenizer: Any,
    rows: Sequence[TextRow],
    max_tokens: int,
    truncation: str,
    name_of: Callable[[int], str],
) -> list[Window]:
    """The token ids of each row, at most `max_tokens` of them, special tokens included.

    truncation: what the tokenizer cuts, by its names; with "do_not_truncate" a longer row is an InputError.
    name_of: index into `rows` → what a message calls that row.

    Single texts and pairs are tokenized in one call each.
    """
    shorter = [beginning(tokenizer, row, max_tokens) for row in rows]
    encoded: dict[int, Window] = {}
    for has_pair in (False, True):
        chosen = [index for index, row in enumerate(rows) if (row.text_pair is not None) == has_pair]
        all_ids = _token_ids(tokenizer, [shorter[index] for index in chosen], "do_not_truncate", None)
        encoded.update({index: Window(ids, False) for index, ids in zip(chosen, all_ids, strict=True)})

        # Only the rows that are too long are encoded a second time, with truncation. There are few of them;
        # truncation for all rows would make the tokenizer keep every row's overflow.
        too_long = [index for index in chosen if len(encoded[index].ids) > max_tokens]
        if too_long and truncation == "do_not_truncate":
            index = too_long[0]
            found = f"{'' if shorter[index] is rows[index] else 'more than '}{len(encoded[index].ids)} tokens"
            expected = f"at most {max_tokens}; truncation=True cuts texts to fit"
            raise InputError(mismatch(name_of(index), found, expected))
        cut_ids = _token_ids(tokenizer, [shorter[index] for index in too_long], truncation, max_tokens)
        encoded.update({index: Window(ids, True) for index, ids in zip(too_long, cut_ids, strict=True)})
    return [encoded[index] for index in range(len(rows))]


def beginning(tokenizer: Any, row: TextRow, max_tokens: int) -> TextRow:
    """`row`, its very long texts shortened to beginnings; truncated to `max_tokens`, its ids are the same.

    A tokenizer that truncates on the left needs the ends: for it the row is unchanged.
    """
    if getattr(tokenizer, "truncation_side", "right") != "right":
        return row
    length = max(max_tokens * CHARACTERS_PER_TOKEN, LONG_TEXT)
    if all(len(text or "") <= length for text in row):
        return row
    text = _text_beginning(tokenizer, row.text, length, 2 * max_tokens)
    if row.text_pair is None:
        return TextRow(text)
    return TextRow(text, _text_beginning(tokenizer, row.text_pair, length, 2 * max_tokens))


def _text_beginning(tokenizer: Any, text: str, length: int, min_tokens: int) -> str:
    """A beginning of `text` of at least `length` characters and `min_tokens` tokens, or all of it.

    A token depends on the characters near it, so that a cut can change the last tokens only. The text is cut
    between a word and a space if there is such a position, because pre-tokenizers split there.
    """
    while length < len(text):
        positions = range(length, min(length + LONG_TEXT, len(text)))
        end = next((i for i in positions if text[i].isspace() and not text[i - 1].isspace()), length)
        if len(_token_ids(tokenizer, [TextRow(text[:end])], "do_not_truncate", None)[0]) >= min_tokens:
            return text[:end]
        length *= 2
    return text


def _token_ids(
    tokenizer: Any, rows: Sequence[TextRow], truncation: str, max_length: int | None
) -> list[list[int]]:
    """The token ids of rows that are all single texts or all pairs."""
    if not rows:
        return []
    parts = 1 if rows[0].text_pair is None else 2
    encoded = tokenizer(
        *([row[part] for row in rows] for part in range(parts)),
        padding=False,
        truncation=truncation,
        max_length=max_length,
        return_attention_mask=False,  # nobody reads it: no row is padded
    )
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def encode_with_places(
    tokenizer: Any,
    texts: Sequence[str] | Sequence[Sequence[str]],
    max_tokens: int,
    *,
    truncation: str,
    stride: int | None,
    name_of: Callable[[int], str],
) -> list[list[Window]]:
    """The windows of each text, or of each list of words, with the tokens' places in it.

    stride: how many tokens each window repeats of the one before it; None: one window, truncated, or with
    truncation "do_not_truncate" an InputError if the text has more than `max_tokens`.
    """
    if not texts:
        return []
    are_words = not isinstance(texts[0], str)
    shorter: list[Any] = list(texts)
    if stride is None and not are_words:
        shorter = [beginning(tokenizer, TextRow(text), max_tokens).text for text in shorter]
    encoded = tokenizer(
        shorter,
        truncation="longest_first",
        max_length=max_tokens,
        stride=stride or 0,
        is_split_into_words=are_words,
        return_attention_mask=False,
    )
    windows = []
    for index, encoding in enumerate(encoded.encodings):
        if stride is not None:
            windows.append([Window(part.ids, False, part) for part in (encoding, *encoding.overflowing)])
            continue
        is_cut = bool(encoding.overflowing) or shorter[index] is not texts[index]
        if is_cut and truncation == "do_not_truncate":
            expected = f"at most {max_tokens}; truncation=True cuts texts to fit"
            raise InputError(mismatch(name_of(index), f"more than {max_tokens} tokens", expected))
        windows.append([Window(encoding.ids, is_cut, encoding)])
    return windows


def encode_premises(
    tokenizer: Any,
    premises: Sequence[str],
    hypotheses: Sequence[str],
    max_tokens: int,
    cuts: bool,
    name_of: Callable[[int], str],
) -> list[list[Window]]:
    """A window for each pair of a premise and one of the hypotheses; each text is tokenized once.

    With `cuts` the premise is truncated to fit; otherwise a pair of too many tokens is an InputError.
    """
    specials = tokenizer.num_special_tokens_to_add(pair=True)
    seconds = tokenizer.encode_parts(list(hypotheses))
    longest = max(len(second) for second in seconds)
    if longest + specials >= max_tokens:
        expected = f"fewer than {max_tokens - specials}, as max_length is {max_tokens}"
        raise InputError(mismatch("candidate_labels", f"a hypothesis of {longest} tokens", expected))
    shorter = [beginning(tokenizer, TextRow(text), max_tokens).text for text in premises]
    firsts = tokenizer.encode_parts(shorter)
    windows = []
    for index, first in enumerate(firsts):
        of_premise = []
        for second in seconds:
            is_cut = len(first) + len(second) + specials > max_tokens
            if is_cut and not cuts:
                found = f"{len(first) + len(second) + specials} tokens with its label"
                expected = f"at most {max_tokens}; truncation=True cuts texts to fit"
                raise InputError(mismatch(name_of(index), found, expected))
            ids = tokenizer.join_parts(first, second, max_tokens if is_cut else None).ids
            of_premise.append(Window(ids, is_cut))
        windows.append(of_premise)
    return windows


def encode_questions(
    tokenizer: Any,
    questions: Sequence[str],
    contexts: Sequence[str],
    max_tokens: int,
    stride: int,
    name_of: Callable[[int], str],
) -> list[list[Window]]:
    """The windows of each question with its context: the complete question, and a part of the context.

    Windows have at most `max_tokens` tokens, and each repeats `stride` tokens of the context of the one
    before it. Raises InputError for a question that leaves no room for more than these, unless its context
    fits into one window.
    """
    specials = tokenizer.num_special_tokens_to_add(pair=True)
    distinct = list(dict.fromkeys(questions))
    parts = tokenizer.encode_parts(distinct)
    rooms = {one: max_tokens - specials - len(part) for one, part in zip(distinct, parts, strict=True)}
    for index, (question, context) in enumerate(zip(questions, contexts, strict=True)):
        room = rooms[question]
        if room <= stride and len(tokenizer.encode_parts([context])[0]) > room:
            found = f"{max_tokens - specials - room} tokens, which leave {max(room, 0)} of {max_tokens}"
            expected = f"more than doc_stride ({stride}) for the context"
            raise InputError(mismatch(f"{name_of(index)}: question", found, expected))
    encoded = tokenizer(
        list(questions),
        list(contexts),
        truncation="only_second",
        max_length=max_tokens,
        stride=stride,
        return_attention_mask=False,
    )
    return [
        [Window(part.ids, False, part) for part in (encoding, *encoding.overflowing)]
        for encoding in encoded.encodings or ()
    ]


def batches_by_length(
    lengths: Sequence[int], batch_size: int, max_tokens: int = BATCH_TOKENS
) -> Iterator[list[int]]:
    """Indexes into `lengths`, longest rows first, in lists of at most `batch_size` rows and `max_tokens`.

    A row longer than `max_tokens` is a batch of its own.
    """
    batch: list[int] = []
    tokens = 0
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if batch and (len(batch) == batch_size or tokens + lengths[index] > max_tokens):
            yield batch
            batch, tokens = [], 0
        batch.append(index)
        tokens += lengths[index]
    if batch:
        yield batch
