"""Windows for tasks that need more than ids: places of tokens, premises, questions and contexts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..errors import InputError, mismatch
from ..tokenizer import Encoding
from ..tokenizer.encode_options import DO_NOT_TRUNCATE, LONGEST_FIRST
from .long_texts import WINDOW_PER_STRIDE, Frame, check_stride, own_tokens, parts, span_of, windows_of
from .options import ERROR, WINDOWS, PipelineOptions
from .rows import TextRow, WordsRow
from .truncation import beginning, count_tokens, too_many_tokens
from .windows import Part, Span, Window, text_places, token_span, truncated_span

# Index of a row → what a message calls it.
NameOf = Callable[[int], str]


# ---- texts and lists of words, with the tokens' places -------------------------------------------------


def encode_with_places(
    tokenizer: Any, rows: Sequence[WordsRow], max_tokens: int, options: PipelineOptions, name_of: NameOf
) -> list[list[Window]]:
    """The windows of each row, with the tokens' places.

    With a `stride` alone they are transformers': each has an encoding of its own, and results are not merged
    token by token. Raises InputError for a stride without room, or a text that is too long and not to be cut.
    """
    stride, is_windowed = options.stride, options.long_text == WINDOWS
    if is_windowed or stride is not None:
        check_stride(tokenizer, max_tokens, stride)
    if is_windowed:
        encodings = _encodings(tokenizer, rows, truncation=DO_NOT_TRUNCATE)
        return [
            windows_of(
                encoding, 0, len(row.text), max_tokens, stride, name_of(index), place_in_text(row, encoding)
            )
            for index, (row, encoding) in enumerate(zip(rows, encodings, strict=True))
        ]
    if stride is not None:
        encodings = _encodings(
            tokenizer, rows, truncation=LONGEST_FIRST, max_length=max_tokens, stride=stride
        )
        return [_overlapping(row, encoding, stride) for row, encoding in zip(rows, encodings, strict=True)]
    return [[window] for window in _truncated(tokenizer, rows, max_tokens, options, name_of)]


def _truncated(
    tokenizer: Any, rows: Sequence[WordsRow], max_tokens: int, options: PipelineOptions, name_of: NameOf
) -> list[Window]:
    """One window of each row."""
    shorter = [
        row._replace(text=beginning(tokenizer, TextRow(row.text), max_tokens).text)
        if row.words is None
        else row
        for row in rows
    ]
    encodings = _encodings(tokenizer, shorter, truncation=LONGEST_FIRST, max_length=max_tokens)
    windows = []
    for index, (row, encoding) in enumerate(zip(rows, encodings, strict=True)):
        is_complete = len(shorter[index].text) == len(row.text)
        if is_complete and not encoding.overflowing:
            windows.append(Window(encoding.ids, False, encoding, len(encoding), (0, len(row.text))))
            continue
        window = Window(encoding.ids, True, encoding)
        refuses = options.truncation_name == DO_NOT_TRUNCATE
        if refuses or options.return_lengths:
            count = _count(encoding, 0) if is_complete else count_tokens(tokenizer, TextRow(row.text))
            if refuses:
                raise too_many_tokens(name_of(index), count, max_tokens)
            places, place_of = text_places(encoding, 0), place_in_text(row, encoding)
            span = truncated_span(places, place_of, len(row.text), tokenizer.truncation_side)
            window = window._replace(n_tokens=count, span=span)
        windows.append(window)
    return windows


def _encodings(tokenizer: Any, rows: Sequence[WordsRow], **options: Any) -> list[Encoding]:
    """The encodings of rows that are all texts or all lists of words."""
    are_words = bool(rows) and rows[0].words is not None
    texts = [row.text if row.words is None else list(row.words) for row in rows]
    encoded = tokenizer(texts, is_split_into_words=are_words, return_attention_mask=False, **options)
    return list(encoded.encodings or ())


def _overlapping(row: WordsRow, encoding: Encoding, stride: int) -> list[Window]:
    """The windows that the tokenizers library makes of a row."""
    divided = [encoding, *encoding.overflowing]
    count = _count(encoding, stride)
    windows = []
    for part in divided:
        places, place_of = text_places(part, 0), place_in_text(row, part)
        span = (place_of(places[0])[0], place_of(places[-1])[1]) if len(divided) > 1 else (0, len(row.text))
        windows.append(Window(part.ids, False, part, count, span))
    return windows


def _count(encoding: Encoding, stride: int) -> int:
    """The tokens of a text, special ones included, from an encoding with all its overflowing parts."""
    specials = len(encoding) - len(text_places(encoding, 0))
    return len(encoding) + sum(len(part) - specials - stride for part in encoding.overflowing)


def place_in_text(row: WordsRow, encoding: Encoding) -> Callable[[int], Span]:
    """Index of a token that is not special → its characters in the row's text."""
    if row.words is None:
        return partial(token_span, encoding)
    between = (len(row.text) - sum(map(len, row.words))) // max(len(row.words) - 1, 1)
    starts = [0]
    for word in row.words:
        starts.append(starts[-1] + len(word) + between)

    def place_of(index: int) -> Span:
        (start, end), word = token_span(encoding, index), encoding.token_to_word(index)
        shift = 0 if word is None else starts[word]
        return start + shift, end + shift

    return place_of


# ---- a premise and the hypothesis of each label --------------------------------------------------------


def encode_premises(
    tokenizer: Any,
    premises: Sequence[str],
    hypotheses: Sequence[str],
    max_tokens: int,
    options: PipelineOptions,
    name_of: NameOf,
) -> list[list[Window]]:
    """A window for each pair of a premise, or a part of it, and one of the hypotheses, part by part.

    Each text is tokenized once. Parts leave room for the longest hypothesis, so that they are the same for
    all. n_tokens and span are those of the pair with the longest. Raises InputError for hypotheses or a
    stride without room, or a pair that is too long and not to be cut.
    """
    specials = tokenizer.num_special_tokens_to_add(pair=True)
    seconds = tokenizer.encode_parts(list(hypotheses))
    longest = max(len(second) for second in seconds)
    room = max_tokens - specials - longest
    if room <= 0:
        expected = f"fewer than {max_tokens - specials}, as max_length is {max_tokens}"
        raise InputError(mismatch("candidate_labels", f"a hypothesis of {longest} tokens", expected))
    is_windowed = options.long_text == WINDOWS
    if is_windowed and options.stride is not None and options.stride >= room:
        expected = f"less than {room}, the tokens of a window beside the longest label and the special ones"
        raise InputError(mismatch("stride", options.stride, expected))
    shorter = [
        premise if is_windowed else beginning(tokenizer, TextRow(premise), max_tokens).text
        for premise in premises
    ]
    firsts = tokenizer.encode_parts(shorter)
    windows = []
    for index, (premise, first) in enumerate(zip(premises, firsts, strict=True)):
        count: int | None = len(first) + longest + specials
        if is_windowed and len(first) > room:
            windows.append(
                _premise_windows(tokenizer, first, len(premise), seconds, room, options.stride, count)
            )
            continue
        span: Span | None = (0, len(premise))
        if len(first) > room:
            count = span = None
            refuses = options.truncation_name == DO_NOT_TRUNCATE
            if refuses or options.return_lengths:
                is_complete = len(shorter[index]) == len(premise)
                count = (len(first) if is_complete else _count_alone(tokenizer, premise)) + longest + specials
                if refuses:
                    raise too_many_tokens(name_of(index), count, max_tokens, "tokens with its label")
                side = tokenizer.truncation_side
                left = range(room) if side == "right" else range(len(first) - room, len(first))
                span = truncated_span(left, partial(token_span, first), len(premise), side)
        pairs = []
        for second in seconds:
            is_cut = len(first) + len(second) + specials > max_tokens
            ids = tokenizer.join_parts(first, second, max_tokens if is_cut else None).ids
            pairs.append(Window(ids, is_cut, n_tokens=count, span=span))
        windows.append(pairs)
    return windows


def _count_alone(tokenizer: Any, text: str) -> int:
    """The tokens of a text without special ones."""
    specials: int = tokenizer.num_special_tokens_to_add()
    return count_tokens(tokenizer, TextRow(text)) - specials


def _premise_windows(
    tokenizer: Any,
    first: Encoding,
    length: int,
    seconds: Sequence[Encoding],
    room: int,
    stride: int | None,
    count: int | None,
) -> list[Window]:
    """A window for each part of a premise with each hypothesis."""
    divided = parts(len(first), room, room // WINDOW_PER_STRIDE if stride is None else stride)
    (sample,) = tokenizer.encode_parts(["a"])
    frames = [Frame.of(tokenizer.join_parts(sample, second), 0) for second in seconds]
    ids = first.ids
    windows = []
    for part, own in zip(divided, own_tokens(divided), strict=True):
        span = span_of(part, 0, len(first), length, partial(token_span, first))
        for frame in frames:
            tokens = [*frame.before, *ids[part.start : part.stop], *frame.after]
            place = len(frame.before)
            in_window = range(place + own.start - part.start, place + own.stop - part.start)
            windows.append(
                Window(tokens, False, None, count, span, Part(in_window, part.start - place, len(own)))
            )
    return windows


# ---- a question and its context ------------------------------------------------------------------------


def encode_questions(
    tokenizer: Any,
    questions: Sequence[str],
    contexts: Sequence[str],
    max_tokens: int,
    stride: int,
    options: PipelineOptions,
    name_of: NameOf,
) -> list[list[Window]]:
    """The windows of each question with its context: the complete question, and a part of the context.

    Windows have at most `max_tokens` tokens, and each repeats `stride` tokens of the context of the one
    before it. A window's encoding is the context's, without special tokens; its own tokens are all of the
    context that it has. Raises InputError for a question that leaves no room for more than the stride,
    unless its context fits into one window; with "error", for a context that does not.
    """
    specials = tokenizer.num_special_tokens_to_add(pair=True)
    texts = list(dict.fromkeys([*questions, *contexts]))
    encodings = dict(zip(texts, tokenizer.encode_parts(texts), strict=True))
    (sample,) = tokenizer.encode_parts(["a"])
    windows = []
    for index, (question, context) in enumerate(zip(questions, contexts, strict=True)):
        encoding = encodings[context]
        count = len(encodings[question]) + len(encoding) + specials
        room = max_tokens - count + len(encoding)
        divided = [range(len(encoding))]
        if len(encoding) > room:
            if room <= stride:
                found = f"{max_tokens - specials - room} tokens, which leave {max(room, 0)} of {max_tokens}"
                expected = f"more than doc_stride ({stride}) for the context"
                raise InputError(mismatch(f"{name_of(index)}: question", found, expected))
            if options.long_text == ERROR:
                raise too_many_tokens(name_of(index), count, max_tokens)
            divided = parts(len(encoding), room, stride)
            if tokenizer.truncation_side == "left":  # the tokenizers library then divides from the end
                divided = [range(len(encoding) - one.stop, len(encoding) - one.start) for one in divided]
        frame = Frame.of(tokenizer.join_parts(encodings[question], sample), 1)
        place, ids = len(frame.before), encoding.ids
        windows.append(
            [
                Window(
                    [*frame.before, *ids[part.start : part.stop], *frame.after],
                    False,
                    encoding,
                    count,
                    span_of(part, 0, len(encoding), len(context), partial(token_span, encoding)),
                    Part(range(place, place + len(part)), part.start - place, len(part)),
                )
                for part in divided
            ]
        )
    return windows
