"""vocab.json + merges.txt → the byte-level BPE tokenizer that RoBERTa uses.

A text is split by GPT-2's regular expression. The UTF-8 bytes of each piece are mapped to printable
characters (a space to Ġ) and merged pair by pair in the order of merges.txt. A pair of texts is encoded as
`<s> A </s></s> B </s>`. With `trim_offsets`, offsets do not include a token's leading space.
"""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from ..errors import TokenizerFileError, mismatch, shown
from .tokenizer_files import library_errors, read_json_object, read_text
from .vocabulary_ids import check_ids

_ALL_BUT_SEPARATORS = bytes(set(range(256)) - set(b" \n"))


def build_byte_level_bpe(
    vocab: dict[str, int],
    vocab_path: Path,
    merges_path: Path,
    *,
    cls_token: str,
    sep_token: str,
    add_prefix_space: bool,
    trim_offsets: bool,
) -> Tokenizer:
    """The tokenizer that the two files describe, without added tokens; vocab: what `read_vocab` read.

    Raises TokenizerFileError if a file is malformed or the two do not fit each other.
    """
    for token in (cls_token, sep_token):
        if token not in vocab:
            raise TokenizerFileError(mismatch(vocab_path, f"no token {shown(token)}", "every special token"))
    tokenizer = Tokenizer(read_model(vocab, merges_path))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(
        (sep_token, vocab[sep_token]), (cls_token, vocab[cls_token]), trim_offsets, add_prefix_space
    )
    return tokenizer


def read_vocab(path: Path) -> dict[str, int]:
    """Token → id. Raises TokenizerFileError for what is no such object, or two tokens with one id."""
    vocab = read_json_object(path)
    if not vocab:
        raise TokenizerFileError(mismatch(path, "an empty object", "tokens"))
    check_ids(vocab, path)
    try:
        "".join(vocab).encode("utf-8")
    except UnicodeEncodeError as error:  # JSON's \u escapes can write lone surrogates
        token = next(token for token in vocab if error.object[error.start] in token)
        raise TokenizerFileError(mismatch(path, f"a lone surrogate in {shown(token)}", "a token")) from None
    return vocab


def read_model(vocab: dict[str, int], merges_path: Path) -> models.BPE:
    """The BPE model of a vocabulary and the merges in a file.

    The file has an optional `#version` line, then one merge per line: two tokens separated by a space. Both
    tokens and their concatenation are in `vocab`.

    Raises TokenizerFileError for the first line that is no such merge.
    """
    text = read_text(merges_path).replace("\r\n", "\n")
    end = text.find("\n", len(text.rstrip()))  # where blank lines at the end begin
    text = (text if end < 0 else text[:end]) if text.strip() else ""
    first = 1 if text.startswith("#version") else 0
    body = text.partition("\n")[2] if first else text
    # A token can be merged in as many ways as it can be split, so that more lines repeat one another.
    most = sum(map(len, vocab)) - len(vocab)
    count = body.count("\n") + bool(body)
    if count > most:
        expected = f"at most {most} for its vocabulary"
        raise TokenizerFileError(mismatch(merges_path, f"{count} merges", expected))
    merges = _pairs(body)
    # The library finds tokens that are missing, but it panics if a merge is longer than every token.
    # - 1: the space between the two tokens.
    if merges is None or not _has_token_of(_longest_line(body) - 1, vocab):
        _report_bad_merge(merges_path, text.split("\n"), first, vocab)
    with library_errors(merges_path):
        try:
            return models.BPE(vocab=vocab, merges=merges or [])
        except Exception:
            _report_bad_merge(merges_path, text.split("\n"), first, vocab)
            raise


def _pairs(body: str) -> list[tuple[str, str]] | None:
    """The two tokens of each line; None if a line does not have exactly one space.

    All lines are split at once, which takes 8 ms for RoBERTa's 50,000 merges; splitting them one by one took
    20 ms (AMD Zen 5 server core, 2026-11-22).
    """
    if not body:
        return []
    separators = body.encode("utf-8").translate(None, _ALL_BUT_SEPARATORS)
    if separators + b"\n" != b" \n" * (body.count("\n") + 1):
        return None
    tokens = body.replace("\n", " ").split(" ")
    return list(zip(tokens[::2], tokens[1::2], strict=True))


def _longest_line(body: str) -> int:
    """The length of the longest line, in bytes."""
    return max(map(len, body.encode("utf-8").split(b"\n")))


def _has_token_of(size: int, vocab: dict[str, int]) -> bool:
    """Whether some token has at least `size` bytes."""
    # The token with the most characters usually has the most bytes, so that it is checked first.
    return len(max(vocab, key=len).encode()) >= size or any(len(token.encode()) >= size for token in vocab)


def _report_bad_merge(path: Path, lines: list[str], first: int, vocab: dict[str, int]) -> None:
    """Raise TokenizerFileError for the first line that is no merge; return if there is no such line.

    lines: all lines of the file; those before `first` are not merges.
    """
    for number, line in enumerate(lines[first:], start=first + 1):
        left, separator, right = line.partition(" ")
        if not (left and separator and right) or " " in right:
            expected = "two tokens separated by one space"
            raise TokenizerFileError(mismatch(f"{path}: line {number}", shown(line), expected))
        for token in (left, right, left + right):
            if token not in vocab:
                place, found = f"{path}: line {number}, {shown(line)}", f"token {shown(token)}"
                raise TokenizerFileError(mismatch(place, found, "a token of the vocabulary"))
