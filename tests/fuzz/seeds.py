"""python -m tests.fuzz.seeds: writes the honest inputs of tests/fuzz/corpus, with torch and the originals.

Their names begin with seed-. The other inputs there were kept by `--keep`, or failed once.
"""

from __future__ import annotations

import io
import json
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save as safetensors_bytes
from samples.odd_texts import ODD_TEXTS
from samples.tokenizers import MERGES, VOCAB, unigram_proto
from samples.torch_writer import writer_options

from roberta_c.tokenizer.byte_level_bpe import CHARACTER_OF_BYTE

from .harness import CORPUS
from .mutations import PART_END

REQUESTS: dict[str, dict] = {
    "embed": {
        "inputs": ["I love it", "é 🙂"], "truncate": True, "truncation_direction": "Left", "normalize": False,
        "dimensions": 8, "prompt_name": "query", "model": "a",
    },
    "ids": {"inputs": [[0, 5, 2], [0, 7, 2]], "truncate": None, "long_text": "windows"},
    "predict": {"inputs": [["a"], ["a", "b"]], "raw_scores": True},
    "similarity": {
        "inputs": {"source_sentence": "a", "sentences": ["b", "c"]},
        "parameters": {"truncate": False, "prompt_name": None},
    },
    "rerank": {
        "query": "a", "documents": ["b", {"text": "c"}], "texts": ["d"], "top_n": 2, "return_documents": True
    },
    "openai": {"input": ["a", "b"], "model": "m", "encoding_format": "base64", "dimensions": 4, "user": "x"},
}  # fmt: skip


def state_dicts() -> dict[str, dict[str, torch.Tensor]]:
    table = torch.arange(12.0).reshape(3, 4)
    long_row = torch.arange(20.0)
    return {
        "plain": OrderedDict(a=table, b=torch.ones(3, dtype=torch.bfloat16), c=torch.zeros(0)),
        "woven": OrderedDict(
            tied=table, again=table, turned=table.t(), part=long_row[1::3],
            wide=torch.arange(5).expand(1, -1),
            own=torch.nn.Parameter(torch.ones(2)), half=torch.ones(2, 2).half()[1:],
        ),
    }  # fmt: skip


def torch_bytes(state: dict[str, torch.Tensor], new: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer, _use_new_zipfile_serialization=new)
    return buffer.getvalue()


def data_pkl(archive: bytes) -> bytes:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return opened.read(next(name for name in opened.namelist() if name.endswith("data.pkl")))


def inputs() -> dict[str, dict[str, bytes]]:
    """Target → name → input."""
    states = state_dicts()
    with writer_options(alignment=8):
        zips = {name: torch_bytes(state, new=True) for name, state in states.items()}
    index = {"metadata": {"total_size": 4}, "weight_map": {"a": "part-1.bin", "b": "part-2.bin"}}
    config = {
        "model_type": "roberta", "architectures": ["RobertaModel"], "hidden_size": 12,
        "num_attention_heads": 3, "vocab_size": 50, "intermediate_size": 20, "hidden_act": "gelu",
        "max_position_embeddings": 20, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": [2],
        "layer_norm_eps": 1e-5, "type_vocab_size": 1, "num_hidden_layers": 2,
        "id2label": {"0": "no", "1": "yes"}, "label2id": {"no": 0, "yes": 1}, "problem_type": None,
        "classifier_dropout": None, "position_embedding_type": "absolute",
    }  # fmt: skip
    vocab = {token: index for index, token in enumerate(VOCAB)}
    bpe = json.dumps(vocab, ensure_ascii=False).encode() + PART_END + MERGES.encode()
    tokens = [*VOCAB[:4], *CHARACTER_OF_BYTE.values(), "ab", "abb", "Ġa", "bc", "<mask>"]
    of_bytes = json.dumps({token: index for index, token in enumerate(tokens)}, ensure_ascii=False).encode()
    of_bytes += PART_END + "a b\nab b\nĠ a\nb c\n".encode()
    added = [
        {"model_max_length": 16, "padding_side": "left", "truncation_side": "left", "add_prefix_space": True,
         "added_tokens_decoder": {"10": {"content": "<mask>", "lstrip": True, "normalized": False,
                                         "rstrip": False, "single_word": False, "special": True}},
         "mask_token": "<mask>", "extra_special_tokens": ["<x>"], "tokenizer_class": "RobertaTokenizer"},
        {"bos_token": "<s>", "cls_token": {"content": "<s>", "lstrip": False, "normalized": True,
                                           "rstrip": False, "single_word": False},
         "pad_token": "<pad>", "additional_special_tokens": ["<y>", "<z>"]},
        {"<one>": 11, "<two>": 12},
    ]  # fmt: skip
    three = [PART_END.join(json.dumps(one).encode() for one in added)]
    three.append(PART_END + PART_END.join(json.dumps(one).encode() for one in added[1:]))
    rows = [
        {"text": "I love it", "id": 1},
        {"text": "not, this", "id": None},
        {"text": 'a "quote"', "id": "x"},
    ]
    table = 'id,text\n1,I love it\n2,"not, this"\n3,"a ""quote""\nin two lines"\n'
    return {
        "zip": zips,
        "zip_directory": {**zips, "wide": torch_bytes(states["plain"], new=True)},
        "pickle": {
            **{name: data_pkl(archive) for name, archive in zips.items()},
            "legacy": torch_bytes(states["woven"], new=False)[len(data_of_magic()) :],
        },
        "legacy": {name: torch_bytes(state, new=False) for name, state in states.items()},
        "safetensors": {
            "plain": safetensors_bytes(dict(states["plain"]), {"format": "pt"}),
            "dtypes": safetensors_bytes({"a": torch.ones(2, dtype=torch.int8), "b": torch.ones(1).bool()}),
        },
        "packed_cache": packed_caches(),
        "shard_index": {"two": json.dumps(index).encode()},
        "config": {"roberta": json.dumps(config).encode()},
        "tokenizer_json": tokenizer_jsons(),
        "vocabulary": {"bpe": bpe, "bytes": of_bytes},
        "sentencepiece": {
            "unigram": unigram_proto().SerializeToString(),
            "types": unigram_proto([("x", -1, 4), ("y", -3, 5), ("ab", -4.5, 1)]).SerializeToString(),
        },
        "added_tokens": {"three": three[0], "two": three[1]},
        "encoders": {str(index): text.encode() for index, text in enumerate(ODD_TEXTS) if len(text) > 8},
        "model_inputs": {
            "mask": bytes([0, *[0] * 30, 0, 1, 0, *range(40)]),
            "all": bytes(range(0, 250, 3)) * 2,
        },
        "csv": {"rows": table.encode(), "wide": table.encode("utf-16")},
        "jsonl": {"rows": "".join(f"{json.dumps(row)}\n" for row in rows).encode()},
        "json_rows": {"rows": json.dumps(rows).encode()},
        "http_body": {name: json.dumps(body, ensure_ascii=False).encode() for name, body in REQUESTS.items()},
    }


def packed_caches() -> dict[str, bytes]:
    """A cache file of a few arrays, and one of none."""
    import tempfile

    import numpy as np

    from roberta_c.cache import settings
    from roberta_c.cache.writer import Job, write

    settings.FREE_BYTES, found = 0, {}
    arrays = {
        "panels float32 a": np.arange(48, dtype=np.float32).reshape(1, 3, 16),
        "bias a": np.ones(16, np.float32),
        "smooth a": np.empty(0, np.float32),
        "rows b": np.arange(6, dtype=np.uint16).reshape(2, 3),
    }
    for name, chosen in (("arrays", arrays), ("empty", {})):
        with tempfile.TemporaryDirectory() as folder:
            facts = {"source": "model.safetensors", "packing_ms": 1.5}
            write(Job(Path(folder), f"{0:016x}.packed", "key", facts, chosen, None, lambda: True), waits=True)
            found[name] = (Path(folder) / f"{0:016x}.packed").read_bytes()
    return found


def data_of_magic() -> bytes:
    from roberta_c.checkpoint.file_kind import LEGACY_MAGIC

    return LEGACY_MAGIC


def tokenizer_jsons() -> dict[str, bytes]:
    """What this package saves for the two kinds of vocabulary, without the white space."""
    import tempfile

    from samples.tokenizers import make_bpe_folder, make_unigram_folder, make_whole_bpe_folder

    from roberta_c.tokenizer import RobertaTokenizerFast, XLMRobertaTokenizerFast

    found = {}
    for name, make, kind in (
        ("bpe", make_bpe_folder, RobertaTokenizerFast),
        ("whole-bpe", make_whole_bpe_folder, RobertaTokenizerFast),
        ("unigram", make_unigram_folder, XLMRobertaTokenizerFast),
    ):
        with tempfile.TemporaryDirectory() as folder:
            kind.from_folder(make(Path(folder) / "made")).save_pretrained(folder)
            saved = json.loads((Path(folder) / "tokenizer.json").read_text("utf-8"))
            found[name] = json.dumps(saved, ensure_ascii=False).encode()
    padded = json.loads(found["bpe"])
    padded["truncation"] = {"direction": "Left", "max_length": 9, "strategy": "LongestFirst", "stride": 1}
    padded["padding"] = {
        "strategy": {"Fixed": 8}, "direction": "Left", "pad_to_multiple_of": 4, "pad_id": 1,
        "pad_type_id": 0, "pad_token": "<pad>",
    }  # fmt: skip
    padded["model"]["dropout"] = 0.0
    padded["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}
    found["padded"] = json.dumps(padded, ensure_ascii=False).encode()
    return found


if __name__ == "__main__":
    for target, of_target in inputs().items():
        (CORPUS / target).mkdir(parents=True, exist_ok=True)
        for name, data in of_target.items():
            (CORPUS / target / f"seed-{name}").write_bytes(data)
            print(target, name, len(data))
