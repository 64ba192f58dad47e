"""Tokenizers whose texts are encoded here compared with the tokenizers library."""

from __future__ import annotations

import functools
import json
import sys
import unicodedata

CALLS = [
    {},
    {"add_special_tokens": False},
    {"truncation": True, "max_length": 9},
    {"truncation": True, "max_length": 10, "padding": "max_length", "padding_side": "left"},
    {"truncation": "only_first", "max_length": 14},
    {"truncation": True, "max_length": 12, "stride": 1, "return_overflowing_tokens": True},
    {"padding": True, "pad_to_multiple_of": 8},
    {"split_special_tokens": True},
    {"truncation": True, "max_length": 6, "add_special_tokens": False},
]
FIELDS = {
    "return_token_type_ids": True,
    "return_special_tokens_mask": True,
    "return_offsets_mapping": True,
    "return_length": True,
}


def assert_same_rows(tokenizer, oracle, texts, least=0.0):
    """Ids, offsets, words and tokens of each text that is encoded here; at least that part of them is."""
    backend = tokenizer._backend
    assert backend.is_own
    expected = oracle.encode_batch(texts, add_special_tokens=False)
    own = 0
    for text, other in zip(texts, expected, strict=True):
        found = backend.encoder.encode(text, backend._added_strings, 2)
        assert (found is None) == (backend.encoder.encode(text, backend._added_strings) is None)
        if found is None:
            continue
        own += 1
        ids, offsets, words, tokens = found
        assert ids == other.ids == backend.encoder.encode(text, backend._added_strings), text
        assert backend.encoder.encode(text, backend._added_strings, 1) == (ids, other.offsets), text
        # Those of a byte-level BPE are trimmed by the shell.
        assert offsets == other.offsets or backend.kind == "BPE", text
        assert words == other.word_ids, text
        assert tokens == other.tokens, text
    assert own >= least * len(texts)


def real_texts(test_data):
    """Lines of all real texts, each once."""
    lines: dict[str, None] = {}
    for name in (
        "data/xlm-t/sentiment",
        "data/tweeteval",
        "data/docs",
        "data/stsb",
        "data/xquad",
        "data/wnut17",
    ):
        place = test_data.real(name)
        for path in sorted(
            path for path in place.rglob("*") if path.suffix in (".txt", ".csv", ".jsonl", ".json")
        ):
            text = path.read_text("utf-8")
            if path.suffix == ".json":
                text = "\n".join(
                    part["context"] + "\n" + "\n".join(one["question"] for one in part["qas"])
                    for article in json.loads(text)["data"]
                    for part in article["paragraphs"]
                )
            elif path.suffix == ".jsonl":
                text = "\n".join(json.loads(line)["text"] for line in text.split("\n") if line)
            lines.update(dict.fromkeys(text.split("\n")))
    return list(lines)


def as_states(encoded):
    return [json.loads(one.__getstate__()) for one in encoded.encodings]


@functools.cache
def code_points(is_all):
    """(assigned, unassigned) code points but surrogates: all, or some and all that are controls."""
    kinds = {
        code: unicodedata.category(chr(code))
        for code in range(sys.maxunicode + 1)
        if not 0xD800 <= code < 0xE000
    }
    assigned = [code for code, kind in kinds.items() if kind != "Cn"]
    unassigned = [code for code, kind in kinds.items() if kind == "Cn"]
    if is_all:
        return assigned, unassigned
    controls = [code for code in assigned if kinds[code] in ("Cc", "Cf", "Zl", "Zp", "Zs")]
    return [*controls, *assigned[3::149]], unassigned[::997]


def assert_same_code_points(tokenizer, oracle, around, is_all, least):
    """The rows of a text for each code point; of those that are assigned, at least a part is encoded here."""
    assigned, others = code_points(is_all)
    assert_same_rows(tokenizer, oracle, [around.format(chr(code)) for code in assigned], least)
    assert_same_rows(tokenizer, oracle, [around.format(chr(code)) for code in others])
