"""python -m tests.process.every_kernel [ISA]: models of three dtypes of sizes that fit no tile, and the
encoders of texts, for Valgrind.

Every byte of each result is written to /dev/null, so that Valgrind reports a byte that no kernel has set.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from samples.odd_texts import ODD_TEXTS
from samples.tiny_model import make_tiny_model
from samples.tokenizers import make_unigram_folder, make_whole_bpe_folder

from roberta_c import RobertaModel
from roberta_c.tokenizer import PreTrainedTokenizerFast, RobertaTokenizerFast, XLMRobertaTokenizerFast
from roberta_c.tokenizer.own_backend import OwnBackend

SIZES = {"hidden_size": 44, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 77}
LENGTHS = ([1], [13], [7, 1, 12], [10] * 5)


def results(isa: str) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        make_tiny_model(Path(folder), max_position_embeddings=20, **SIZES)
        for dtype in ("float32", "bfloat16", "int8"):
            model = RobertaModel.from_pretrained(
                folder, dtype=dtype, isa=isa, num_threads=2, add_pooling_layer=False
            )
            for lengths in LENGTHS:
                ids = [rng.integers(2, 20, length).tolist() for length in lengths]
                output = model(ids, output_hidden_states=True, output_attentions=True)
                yield from output.last_hidden_state
                for layer in (*output.hidden_states, *output.attentions):
                    yield from layer
                yield model.pooled(model.pack(ids), ("mean", "max", "cls"))


def rows_of_texts() -> Iterator[np.ndarray]:
    """Ids and offsets of odd texts, alone and as pairs that are cut, by the two encoders."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizers: list[PreTrainedTokenizerFast] = [
            RobertaTokenizerFast.from_folder(make_whole_bpe_folder(Path(folder) / "bpe")),
            XLMRobertaTokenizerFast.from_folder(make_unigram_folder(Path(folder) / "unigram")),
        ]
    for tokenizer in tokenizers:
        assert isinstance(tokenizer._backend, OwnBackend)
        for pairs in (None, ODD_TEXTS[::-1]):
            rows = tokenizer(
                ODD_TEXTS,
                pairs,
                truncation=True,
                max_length=9,
                return_overflowing_tokens=pairs is None,
                return_offsets_mapping=True,
            )
            yield from (np.array(ids, np.int64) for ids in rows["input_ids"])
            yield from (np.array(offsets, np.int64) for offsets in rows["offset_mapping"])


def main(isa: str) -> None:
    count = 0
    with open("/dev/null", "wb", buffering=0) as nowhere:
        for result in chain(results(isa), rows_of_texts()):
            assert np.isfinite(result).all()
            nowhere.write(np.ascontiguousarray(result).data)
            count += 1
    print(f"{count} results")


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["generic"]))
