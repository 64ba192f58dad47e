"""Small tokenizer folders for the tests of roberta_c.tokenizer, and how its errors are checked."""

from __future__ import annotations

import json
from pathlib import Path

from sentencepiece import sentencepiece_model_pb2

from roberta_c.tokenizer.byte_level_bpe import CHARACTER_OF_BYTE

VOCAB = ["<s>", "<pad>", "</s>", "<unk>", "a", "b", "c", "Ġ", "ab", "Ġc", "<mask>"]
MERGES = "#version: 0.2\na b\nĠ c\n"


def make_bpe_folder(folder: Path) -> Path:
    """A byte-level BPE with a config.json."""
    folder.mkdir()
    write(folder, "vocab.json", {token: index for index, token in enumerate(VOCAB)})
    write(folder, "merges.txt", MERGES)
    write(folder, "config.json", {"model_type": "roberta", "max_position_embeddings": 20, "pad_token_id": 1})
    return folder


def make_whole_bpe_folder(folder: Path) -> Path:
    """A byte-level BPE with a token for each byte, as RoBERTa's, and merges of words and bytes."""
    folder.mkdir()
    merges = [(left, right) for left in "aeitno" for right in "nrsthe"]
    merges += [("Ġ", "th"), ("Ġth", "e"), ("'", "s"), ("Ã", "©"), ("Ġ", "Ġ"), ("ĠĠ", "ĠĠ"), ("1", "2")]
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *CHARACTER_OF_BYTE.values()]
    tokens += [*dict.fromkeys(left + right for left, right in merges), "<mask>"]
    write(folder, "vocab.json", {token: index for index, token in enumerate(tokens)})
    write(folder, "merges.txt", "".join(f"{left} {right}\n" for left, right in merges))
    return folder


def make_unigram_folder(folder: Path) -> Path:
    """A sentencepiece model, alone in its folder."""
    folder.mkdir()
    (folder / "sentencepiece.bpe.model").write_bytes(unigram_proto().SerializeToString())
    return folder


def unigram_proto(extra=()):
    """That model as sentencepiece's own message, with `extra` pieces (text, score, type)."""
    model = sentencepiece_model_pb2.ModelProto()
    pieces = [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3), ("▁", -1, 1), ("▁a", -2, 1), ("b", -2, 1)]
    for text, score, kind in [*pieces, *extra]:
        model.pieces.add(piece=text, score=score, type=kind)
    return model


def write(folder: Path, name: str, content) -> None:
    """Write text as it is, anything else as JSON."""
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text, "utf-8")


def assert_one_line(error: BaseException, *fragments: str) -> None:
    """The message is one line and holds the fragments."""
    message = str(error)
    assert "\n" not in message
    for fragment in fragments:
        assert fragment in message
