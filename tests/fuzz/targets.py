"""What is fuzzed: each target's changes, and how one input is run.

A run may do two things: succeed, or raise one of this package's errors. Importing this module imports the
parts of the package that the targets call.
"""

from __future__ import annotations

import io
import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import sentencepiece
from samples.odd_texts import ODD_TEXTS, mixtures
from samples.tokenizers import make_whole_bpe_folder
from tokenizers import Tokenizer

from roberta_c.cache.errors import DamagedError
from roberta_c.cache.reader import PackedFile, read_header
from roberta_c.checkpoint import FLOAT_DTYPES, open_checkpoint
from roberta_c.checkpoint.pickle_reader import LEGACY_STORAGE_FIELDS, ZIP_STORAGE_FIELDS, PickleReader
from roberta_c.checkpoint.tensor_view import NUMPY_DTYPES
from roberta_c.cli.table_readers import read_table
from roberta_c.config import load_config
from roberta_c.errors import ModelFileError
from roberta_c.files.hub_options import DEFAULT_OPTIONS
from roberta_c.files.shard_index import parse_shard_index
from roberta_c.tokenizer import PreTrainedTokenizerFast, RobertaTokenizerFast, XLMRobertaTokenizerFast
from roberta_c.tokenizer.own_backend import OwnBackend

from . import mutations
from .model_inputs import run_model
from .mutations import PART_END

if TYPE_CHECKING:
    from roberta_c.serve.failures import Failure

MORE_TEXTS = (" a  bab c'\u2581b \u2581\u2581", "\tab\u3000a e\u0301\r\nx" * 3, "xyab\u00bd\u2122" * 12)
TEXTS = ("", "ab c", " a<mask>b é🙂\n</s>")


@dataclass(frozen=True)
class Target:
    """One target.

    run      takes an input and an empty folder to write files into, which it leaves as it likes
    mutate   makes another input of one
    modules  the files of the package (below roberta_c/) whose lines count as covered
    memory   MiB that all runs together may allocate beyond what is in use when they begin
    """

    run: Callable[[bytes, Path], None]
    mutate: mutations.Mutation
    modules: tuple[str, ...]
    memory: int = 64


def file_of(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], None]:
    """A run that writes the input into a file of this name and reads it."""

    def run(data: bytes, folder: Path) -> None:
        path = folder / name
        path.write_bytes(data)
        read(path)

    return run


def read_checkpoint(path: Path) -> None:
    """Open a weight file and read all of it."""
    checkpoint = open_checkpoint(path)
    for name, info in checkpoint.tensors.items():
        if info.dtype in NUMPY_DTYPES:
            array = checkpoint.read(name)
            assert array.shape == info.shape
            assert array.nbytes <= path.stat().st_size, "a tensor larger than its file"
            array.sum()  # touches every byte
        if info.dtype in FLOAT_DTYPES:
            assert checkpoint.read_float32(name).size == math.prod(info.shape)


def read_packed_cache(path: Path) -> None:
    """Open a cache file, and read all arrays that it says it has."""
    with path.open("rb") as file:
        try:
            header = read_header(file.fileno())
            opened = PackedFile(path.parent, file.fileno(), header.key, num_threads=1)
        except DamagedError as error:  # for which weights are packed again
            raise ModelFileError(str(error)) from None
    assert opened.array("no array of this name") is None
    for name, place in header.places.items():
        array = opened.array(name)
        assert array is not None
        assert array.shape == place.shape
        assert array.nbytes <= header.payload_bytes
        array.view("u1" if array.ndim else array.dtype).sum()  # touches every byte


def read_pickle(data: bytes, _folder: Path) -> None:
    """Read the input as a pickle of each of the three kinds. Raises the first of the errors."""
    errors = []
    for storage_fields in (ZIP_STORAGE_FIELDS, LEGACY_STORAGE_FIELDS, 0):
        try:
            PickleReader(data, "input", storage_fields).read()
        except ModelFileError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def read_config(path: Path) -> None:
    config = load_config(path.parent, DEFAULT_OPTIONS)
    assert type(config).from_dict(config.to_dict()).to_dict() == config.to_dict()
    repr(config)


def compare_with_library(tokenizer: PreTrainedTokenizerFast, texts: tuple[str, ...]) -> None:
    """Texts that are encoded here have the ids and offsets that the library gives them."""
    own = tokenizer._backend
    if not isinstance(own, OwnBackend):
        return
    for text in texts:
        found = own.encoder.encode(text, own._added_strings, 1)
        if found is not None:
            other = own.library.encode(text, add_special_tokens=False)
            assert found == (other.ids, other.offsets), text


@cache
def own_tokenizers() -> tuple[PreTrainedTokenizerFast, ...]:
    """A byte-level BPE and a sentencepiece model with the usual normalization, of a few hundred tokens."""
    folder = make_whole_bpe_folder(Path(tempfile.mkdtemp()) / "vocabulary")
    texts = [*ODD_TEXTS, *mixtures(Random(1), 300)]
    texts = ["".join(one if one.isprintable() else " " for one in text) for text in texts]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=model,
        model_type="unigram",
        vocab_size=250,
        hard_vocab_limit=False,
        character_coverage=0.98,
        normalization_rule_name="nmt_nfkc",
        num_threads=1,
        minloglevel=2,
    )
    (folder / "sentencepiece.bpe.model").write_bytes(model.getvalue())
    return (
        RobertaTokenizerFast.from_folder(folder),
        RobertaTokenizerFast.from_folder(folder, add_prefix_space=True),
        XLMRobertaTokenizerFast.from_folder(folder),
        XLMRobertaTokenizerFast.from_folder(folder, add_prefix_space=False),
    )


def encode_text(data: bytes, _folder: Path) -> None:
    for tokenizer in own_tokenizers():
        assert isinstance(tokenizer._backend, OwnBackend)
        compare_with_library(tokenizer, (data.decode("utf-8", "replace"),))


def call_tokenizer(tokenizer: PreTrainedTokenizerFast, *, ids_are_known: bool = True) -> None:
    """Encode and decode some texts: ids are those of the vocabulary, and decoding gives text.

    ids_are_known: False for tokenizer.json, whose post-processor may add any ids; a model checks their range.
    """
    known = set(tokenizer.get_vocab().values())
    for text in TEXTS:
        ids = tokenizer(text, truncation=True, max_length=16)["input_ids"]
        assert len(ids) <= 16
        assert known.issuperset(ids) or not ids_are_known
        assert isinstance(tokenizer.decode(ids), str)
    tokenizer(list(TEXTS), list(TEXTS))
    compare_with_library(tokenizer, MORE_TEXTS)
    repr(tokenizer)


def read_tokenizer_json(path: Path) -> None:
    tokenizer = PreTrainedTokenizerFast.from_folder(path.parent)
    if isinstance(tokenizer._backend, OwnBackend):  # then the library reads the same tokenizer from the file
        library = Tokenizer.from_file(str(path))
        library.no_padding()
        library.no_truncation()
        for text in MORE_TEXTS:
            assert tokenizer(text)["input_ids"] == library.encode(text).ids, text
    call_tokenizer(tokenizer, ids_are_known=False)


def read_vocabulary(data: bytes, folder: Path) -> None:
    vocab, _, merges = data.partition(PART_END)
    (folder / "vocab.json").write_bytes(vocab)
    (folder / "merges.txt").write_bytes(merges)
    call_tokenizer(RobertaTokenizerFast.from_folder(folder))


def read_sentencepiece(path: Path) -> None:
    call_tokenizer(XLMRobertaTokenizerFast.from_folder(path.parent))


@cache
def plain_vocabulary() -> tuple[str, str]:
    """vocab.json and merges.txt of the first input of the target of that name."""
    data = (Path(__file__).parent / "corpus" / "vocabulary" / "seed-bpe").read_bytes()
    vocab, _, merges = data.partition(PART_END)
    return vocab.decode(), merges.decode()


def read_added_tokens(data: bytes, folder: Path) -> None:
    """The input is the three files with special tokens, beside a plain vocabulary."""
    vocab, merges = plain_vocabulary()
    (folder / "vocab.json").write_text(vocab, "utf-8")
    (folder / "merges.txt").write_text(merges, "utf-8")
    names = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
    for name, content in zip(names, data.split(PART_END), strict=False):
        (folder / name).unlink(missing_ok=True)
        if content:
            (folder / name).write_bytes(content)
    call_tokenizer(RobertaTokenizerFast.from_folder(folder))


def rows_of(kind: str) -> Callable[[bytes, Path], None]:
    """A run that reads all rows of a table, in UTF-8 and in an encoding of two bytes a character."""

    def run(data: bytes, _folder: Path) -> None:
        wide = data.startswith(b"\xff\xfe")
        table = read_table(io.BytesIO(data), "input", kind, "utf-16" if wide else "utf-8", count_rows=True)
        for record in table.records:
            assert isinstance(record.fields, dict)

    return run


def read_request(data: bytes, _folder: Path) -> None:
    """Read the input as a request's body, with the fields of all routes. A refusal has a status below 500,
    and a message that can be sent."""
    # The server's packages are an extra, which the other targets do not need.
    from roberta_c.serve.failures import Failure
    from roberta_c.serve.json_body import parse_body
    from roberta_c.serve.reading import (
        left_of,
        long_text_of,
        model_name,
        singles_or_pairs,
        texts_of,
        texts_or_ids,
    )
    from roberta_c.serve.routes_rerank import documents_of
    from roberta_c.serve.settings import ServeSettings

    try:
        fields = parse_body(data)
    except Failure as failure:
        assert_refusal(failure)
        return
    settings = ServeSettings()
    reads: list[Callable[[], object]] = [
        lambda: texts_or_ids(fields),
        lambda: texts_or_ids(fields, "input"),
        lambda: singles_or_pairs(fields),
        lambda: texts_of(fields),
        lambda: long_text_of(fields, settings),
        lambda: left_of(fields),
        lambda: model_name(fields),
        lambda: fields.flag("normalize", True),
        lambda: fields.count("dimensions"),
        lambda: fields.text_or_none("prompt_name"),
        lambda: fields.texts("texts"),
        lambda: fields.text("query"),
        lambda: documents_of(fields),
        lambda: fields.inside("parameters").text_or_none("prompt_name"),
        lambda: fields.inside("inputs").texts("sentences"),
    ]
    for read in reads:
        try:
            json.dumps(read(), ensure_ascii=False).encode()
        except Failure as failure:
            assert_refusal(failure)


def assert_refusal(failure: Failure) -> None:
    from roberta_c.serve.failures import body_of

    assert 400 <= failure.status < 500
    assert failure.message.isprintable()
    assert len(failure.message) < 500
    json.dumps(body_of(failure), ensure_ascii=False).encode()


def of_three_files(data: bytes, rng: mutations.Random) -> bytes:
    """One of three JSON files in one input changed."""
    parts = data.split(PART_END)
    at = rng.randrange(len(parts))
    parts[at] = mutations.of_json(parts[at], rng)
    return PART_END.join(parts)


_TABLES = ("cli/table_readers.py", "cli/decoded_text.py")
TARGETS = {
    "zip": Target(
        file_of("model.bin", read_checkpoint),
        mutations.of_zip,
        ("checkpoint/torch_zip.py", "checkpoint/state_dict.py", "checkpoint/tensor_view.py"),
    ),
    "zip_directory": Target(
        file_of("model.bin", read_checkpoint), mutations.of_zip_bytes, ("checkpoint/zip_directory.py",)
    ),
    "pickle": Target(
        read_pickle, mutations.of_pickle, ("checkpoint/pickle_reader.py", "checkpoint/pickle_values.py")
    ),
    "legacy": Target(
        file_of("model.bin", read_checkpoint),
        mutations.of_legacy,
        ("checkpoint/torch_legacy.py", "checkpoint/state_dict.py"),
    ),
    "safetensors": Target(
        file_of("model.safetensors", read_checkpoint),
        mutations.of_safetensors,
        ("checkpoint/safetensors_reader.py", "checkpoint/file_kind.py", "files/json_object.py"),
    ),
    "packed_cache": Target(
        file_of("0.packed", read_packed_cache),
        mutations.of_packed_cache,
        ("cache/layout.py", "cache/reader.py"),
    ),
    "shard_index": Target(
        lambda data, _folder: parse_shard_index(data, Path("model.index.json")) and None,
        mutations.of_json,
        ("files/shard_index.py", "files/json_object.py", "files/tensor_names.py"),
    ),
    "config": Target(file_of("config.json", read_config), mutations.of_json, ("config/",)),
    "tokenizer_json": Target(
        file_of("tokenizer.json", read_tokenizer_json),
        mutations.of_json,
        ("tokenizer/tokenizer_json.py", "tokenizer/tokenizer_files.py", "tokenizer/pretrained.py"),
        memory=512,
    ),
    "vocabulary": Target(
        read_vocabulary,
        mutations.of_vocabulary,
        ("tokenizer/byte_level_bpe.py", "tokenizer/tokenizer_files.py"),
        memory=512,
    ),
    "sentencepiece": Target(
        file_of("sentencepiece.bpe.model", read_sentencepiece),
        mutations.of_protobuf,
        ("tokenizer/sentencepiece_model.py", "tokenizer/unigram.py"),
        memory=512,
    ),
    "added_tokens": Target(read_added_tokens, of_three_files, ("tokenizer/special_tokens.py",), memory=512),
    "encoders": Target(
        encode_text, mutations.of_text, ("tokenizer/own_backend.py", "tokenizer/own_rows.py"), memory=512
    ),
    "model_inputs": Target(
        run_model,
        mutations.of_bytes,
        ("model/batch.py", "model/arrays.py", "model/pretrained.py"),
        memory=256,
    ),
    "csv": Target(rows_of("csv"), mutations.of_text, _TABLES),
    "jsonl": Target(rows_of("jsonl"), mutations.of_json_lines, _TABLES),
    "http_body": Target(
        read_request, mutations.of_json, ("serve/json_body.py", "serve/reading.py"), memory=512
    ),
    "json_rows": Target(rows_of("json"), mutations.of_json, _TABLES),
}
