"""encoder and encode: several layers in one call, from hidden states or from ids, to all rows of the last
layer or to those that are wanted. In every arithmetic, the bits are those of the parts, called one by one."""

from __future__ import annotations

import os

import numpy as np
import pytest
from samples.kernels import (
    LOWER,
    THREADS,
    assert_canaries,
    each_place,
    guarded,
    guarded_outputs,
    normal,
    random_layer,
    rows_in,
    same_bits,
    starts_of,
)
from samples.layers import SHAPES, run

from roberta_c.errors import InputError, ModelFileError
from roberta_c.kernels import EmbeddingTables, Kernels, Norm, PackedLayer, Workspace, available_isas

# hidden, heads, feed-forward; heads of 4, 16, 65 and 5 values: bfloat16 attention takes those of even size
LAYERS = [(12, 3, 7), (64, 4, 256), (130, 2, 33), (15, 3, 101)]
# Teams of more threads than processors take long; the other tests have them.
FEW_THREADS = (1, 2, 3)
LENGTHS = ([1], [5, 1, 18], [2, 0, 33, 1, 0, 20])  # sequences may be empty


def arithmetics(*isas: str, layers: list[tuple[int, int, int]] | None = None):
    """Parameters: kernels and dtype, for all arithmetics of these instruction sets, and with `layers` the
    sizes of a layer. The reference, which is slow, gets the small layers."""
    cases = [
        pytest.param(Kernels(isa), dtype, *size, id="-".join(map(str, (isa, dtype, *size))))
        for isa in isas
        for dtype in ("float32", *LOWER, *(["int8 pairs"] if isa == "avx2" else []))
        for size in ([()] if layers is None else layers)
        if not size or isa != "reference" or size[0] < 64
    ]
    names = ["kernels", "dtype", *(["hidden", "heads", "up"] if layers else [])]
    return pytest.mark.parametrize(names, cases)


ALL = (*available_isas(), "reference")


def layers_of(
    kernels: Kernels, dtype: str, hidden: int, heads: int, up: int, count: int = 2
) -> list[PackedLayer]:
    rng = np.random.default_rng(hidden)
    return [random_layer(kernels, rng, hidden, heads, up, dtype=dtype) for _ in range(count)]


# ---- all rows and every layer's states -----------------------------------------------------------------


@arithmetics(*ALL, layers=SHAPES)
def test_layers_in_one_call_equal_layers_one_by_one(kernels, dtype, hidden, heads, up):
    rng = np.random.default_rng(hidden)
    layers = layers_of(kernels, dtype, hidden, heads, up, 3)
    for lengths in LENGTHS:
        x, starts = normal(rng, sum(lengths), hidden), starts_of(lengths)
        expected = [x]
        for layer in layers:
            expected.append(run(kernels, layer, expected[-1], lengths))
        for threads in THREADS:
            given, states = x.copy(), np.full((4, *x.shape), np.nan, np.float32)
            last = kernels.encoder(layers, given, starts, Workspace(), states=states, num_threads=threads)
            assert same_bits(given, x), "the input is only read"
            assert same_bits(last, expected[-1])
            assert same_bits(states, np.stack(expected))
            assert same_bits(kernels.encoder(layers, x, starts, Workspace(), num_threads=threads), last)


# ---- rows that are wanted ------------------------------------------------------------------------------


def wanted_rows(lengths: list[int]) -> dict[str, np.ndarray]:
    """Lists of every kind: int64, ascending."""
    starts, tokens = starts_of(lengths), sum(lengths)
    begins, ends = (edge[starts[:-1] < starts[1:]] for edge in (starts[:-1], starts[1:]))
    longest = int(np.argmax(lengths))
    rng = np.random.default_rng(tokens)
    lists = {
        "no row": [],
        "the last": [tokens - 1],
        "one in the middle": [tokens // 2],
        "the first of each sequence": begins,
        "both ends of each sequence": np.unique([begins, ends - 1]),
        "every row of one sequence": np.arange(starts[longest], starts[longest + 1]),
        "every row": np.arange(tokens),
        "every row but the first": np.arange(1, tokens),
        "about a third": np.flatnonzero(rng.random(tokens) < 0.3),
    }
    return {name: np.array(rows, np.int64) for name, rows in lists.items()}


@arithmetics(*ALL, layers=LAYERS)
def test_rows_wanted_are_those_of_the_full_computation(kernels, dtype, hidden, heads, up):
    layers = layers_of(kernels, dtype, hidden, heads, up)
    workspace = Workspace()  # shared, so that each call meets what others left in it
    for chain, lengths in zip((layers[:1], layers), LENGTHS[1:], strict=True):
        x, starts = normal(np.random.default_rng(3), sum(lengths), hidden), starts_of(lengths)
        full = kernels.encoder(chain, x, starts, Workspace())
        for name, rows in wanted_rows(lengths).items():
            for threads in FEW_THREADS:
                found = kernels.encoder(chain, x, starts, workspace, rows, num_threads=threads)
                assert same_bits(found, full[rows]), (name, threads)


@arithmetics(*available_isas())
def test_rows_wanted_of_long_sequences(kernels, dtype):
    """Attention takes queries in blocks of 512 rows, and keys in blocks of 512 (csrc/attention.inc)."""
    lengths, hidden = [1100, 3, 600], 12
    layers = layers_of(kernels, dtype, hidden, 2, 20)
    x, starts = normal(np.random.default_rng(4), sum(lengths), hidden), starts_of(lengths)
    full = kernels.encoder(layers, x, starts, Workspace())
    for rows in (
        np.r_[1:514, 700:1099],  # two blocks of queries in the first sequence, none in the others
        np.r_[5, 1099, 1100, 1103:1703],
        np.r_[0, 1102],
    ):
        for threads in THREADS:
            found = kernels.encoder(layers, x, starts, Workspace(), rows, num_threads=threads)
            assert same_bits(found, full[rows])


@arithmetics(*ALL)
@each_place
def test_touches_nothing_around_its_arrays(kernels, dtype, first_byte, monkeypatch):
    """96 rows are full tiles and panels of attention on every instruction set, so that the scratch memory
    of one thread, which ends the workspace, is used to its end."""
    rng = np.random.default_rng(5)
    for hidden, heads, up in LAYERS if kernels.isa != "reference" else LAYERS[:1]:
        layers, lengths = layers_of(kernels, dtype, hidden, heads, up), [3, 96, 1]
        x = normal(rng, sum(lengths), hidden)
        full = kernels.encoder(layers, x, starts_of(lengths), Workspace())
        rows = np.array([2, 3, 9, 99])
        given_x, starts, given_rows, states = (
            guarded(a, first_byte) for a in (x, starts_of(lengths), rows, np.zeros((3, *x.shape), np.float32))
        )
        for threads in (1, 3):
            with guarded_outputs(monkeypatch, first_byte):
                found = kernels.encoder(layers, given_x, starts, Workspace(), given_rows, num_threads=threads)
            assert same_bits(np.ascontiguousarray(found), full[rows])
            with guarded_outputs(monkeypatch, first_byte):
                found = kernels.encoder(
                    layers, given_x, starts, Workspace(), states=states, num_threads=threads
                )
            assert same_bits(np.ascontiguousarray(found), full)
        for array in (given_x, starts, given_rows, states):
            assert_canaries(array)


# ---- from ids ------------------------------------------------------------------------------------------


def tables_of(
    rng: np.random.Generator, hidden: int, word_dtype: str, path: os.PathLike[str]
) -> tuple[EmbeddingTables, EmbeddingTables]:
    """Embedding tables in memory, and the same ones with word rows that are read from a file at each call."""
    first_byte, word = 37, normal(rng, 30, hidden)
    stored = (
        (word.view(np.uint32) >> 16).astype(np.uint16)
        if word_dtype == "bfloat16"
        else word.astype(word_dtype)
    )
    others = (
        normal(rng, 9, hidden),
        normal(rng, 2, hidden),
        Norm(normal(rng, hidden), normal(rng, hidden), 1e-5),
    )
    with open(path, "wb") as file:
        file.write(bytes(first_byte) + stored.tobytes())
    in_memory = EmbeddingTables(stored, word_dtype, *others)
    return in_memory, EmbeddingTables(rows_in(path, stored, word_dtype, first_byte), word_dtype, *others)


@arithmetics(*ALL, layers=LAYERS[::2])
def test_encode_equals_embed_and_encoder(kernels, dtype, hidden, heads, up, tmp_path):
    rng = np.random.default_rng(hidden)
    layers, workspace = layers_of(kernels, dtype, hidden, heads, up), Workspace()
    for case, word_dtype in enumerate(("float32", "float16", "bfloat16")):
        in_memory, in_file = tables_of(rng, hidden, word_dtype, tmp_path / word_dtype)
        lengths = LENGTHS[case]
        starts, tokens = starts_of(lengths), sum(lengths)
        ids, positions = rng.integers(0, 30, tokens), rng.integers(0, 9, tokens)
        types = rng.integers(0, 2, tokens) if case else None
        x = kernels.embed(in_memory, ids, positions, types)
        expected = np.full((3, *x.shape), np.nan, np.float32)
        last = kernels.encoder(layers, x, starts, Workspace(), states=expected)
        rows = wanted_rows(lengths)["both ends of each sequence"]
        for tables in (in_memory, in_file):
            for threads in FEW_THREADS:
                given = (tables, layers, ids, positions, types, starts, workspace)
                assert same_bits(kernels.encode(*given, num_threads=threads), last)
                assert same_bits(kernels.encode(*given, rows, num_threads=threads), last[rows])
                states = np.full_like(expected, np.nan)
                assert same_bits(kernels.encode(*given, states=states, num_threads=threads), last)
                assert same_bits(states, expected)


def small_case(tmp_path, kernels: Kernels | None = None):
    """Kernels, tables in memory and in a file, one layer, and three tokens in two sequences."""
    kernels, rng = kernels or Kernels(), np.random.default_rng(7)
    in_memory, in_file = tables_of(rng, 12, "float32", tmp_path / "rows")
    layer = random_layer(kernels, rng, 12, 2, 20)
    return kernels, in_memory, in_file, layer, np.array([4, 29, 0]), np.array([2, 3, 2]), starts_of([2, 1])


def test_a_file_that_ends_early_is_an_error_of_encode(tmp_path):
    kernels, _, in_file, layer, ids, positions, starts = small_case(tmp_path)
    workspace = Workspace()
    expected = kernels.encode(in_file, [layer], ids, positions, None, starts, workspace)
    os.truncate(tmp_path / "rows", 37 + in_file.word.nbytes - 1)  # row 29 is the last
    for threads in THREADS:
        with pytest.raises(ModelFileError, match="rows: became shorter"):
            kernels.encode(in_file, [layer], ids, positions, None, starts, workspace, num_threads=threads)
        others = np.array([4, 3, 0])
        found = kernels.encode(
            in_file, [layer], others, positions, None, starts, workspace, num_threads=threads
        )
        assert same_bits(found[2:], expected[2:]), "the second sequence"

    descriptor = os.open(__file__, os.O_RDONLY)
    os.dup2(descriptor, in_file.stored_rows.file.descriptor)
    os.close(descriptor)
    with pytest.raises(ModelFileError, match="rows: other code closed the file's descriptor"):
        kernels.encode(in_file, [layer], ids, positions, None, starts, workspace)


def test_wrong_ids_and_tables_are_errors_of_encode(tmp_path):
    kernels, tables, _, layer, ids, positions, starts = small_case(tmp_path)
    wide, _ = tables_of(np.random.default_rng(0), 16, "float32", tmp_path / "wide")
    wrong = {
        r"input_ids: found 30, expected 0 to 29$": (tables, np.array([4, 30, 0]), positions, None),
        r"position_ids: found -1, expected 0 to 8$": (tables, ids, np.array([2, 3, -1]), None),
        r"position_ids: found shape \(2,\), expected \(3\)$": (tables, ids, positions[:2], None),
        r"token_type_ids: found 2, expected 0 to 1$": (tables, ids, positions, np.array([0, 0, 2])),
        r"input_ids: found list, expected a numpy array$": (tables, ids.tolist(), positions, None),
        r"embeddings: found shape \(3, 16\), expected \(any, 12\)$": (wide, ids, positions, None),
    }
    for message, (of, *indices) in wrong.items():
        with pytest.raises(InputError, match=f"^{message}"):
            kernels.encode(of, [layer], *indices, starts, Workspace())


# ---- wrong and empty arguments -------------------------------------------------------------------------

WRONG_ROWS = {
    "descending": (np.array([2, 0]), r"found \[2, 0\], expected ascending row numbers"),
    "repeated": (np.array([0, 1, 1]), r"found \[0, 1, 1\], expected ascending row numbers"),
    "negative": (np.array([-1, 0]), "found -1, expected 0 to 2"),
    "past the end": (np.array([0, 3]), "found 3, expected 0 to 2"),
    "int32": (np.array([0, 1], np.int32), "found dtype int32, expected int64"),
    "bool": (np.array([True, False, True]), "found dtype bool, expected int64"),
    "a list": ([0, 1], "found list, expected a numpy array"),
    "two dimensions": (np.array([[0, 1]]), r"found shape \(1, 2\), expected \(any\)"),
    "strided": (np.array([0, 9, 1, 9])[::2], "found a strided or unaligned array"),
}


@pytest.mark.parametrize("case", WRONG_ROWS)
def test_wrong_rows_wanted(case, tmp_path):
    kernels, tables, _, layer, ids, positions, starts = small_case(tmp_path)
    rows, message = WRONG_ROWS[case]
    x = kernels.embed(tables, ids, positions)
    with pytest.raises(InputError, match=f"^rows_wanted: {message}"):
        kernels.encoder([layer], x, starts, Workspace(), rows)
    with pytest.raises(InputError, match=f"^rows_wanted: {message}"):
        kernels.encode(tables, [layer], ids, positions, None, starts, Workspace(), rows)


def test_wrong_layers_and_states(tmp_path):
    kernels, tables, _, layer, ids, positions, starts = small_case(tmp_path)
    rng = np.random.default_rng(1)
    smaller, rounded = (
        random_layer(kernels, rng, 8, 2, 20),
        random_layer(kernels, rng, 12, 2, 20, dtype="bfloat16"),
    )
    foreign = random_layer(Kernels(kernels.isa), rng, 12, 2, 20)
    x, states = kernels.embed(tables, ids, positions), np.zeros((2, 3, 12), np.float32)
    wrong = {
        r"layers: found \[\], expected a list of at least one PackedLayer": ([], {}),
        r"layers: found \[.*, 3\], expected a list of at least one PackedLayer": ([layer, 3], {}),
        "layer: found hidden size 8, expected 12 as the first's": ([layer, smaller], {}),
        r"(x|embeddings): found shape \(3, 12\), expected \(any, 8\)": ([smaller], {}),
        "layer: found bfloat16 weights, expected float32 as the first's": ([layer, rounded], {}),
        rf"layer: found weights packed by another Kernels object \({kernels.isa}\)": ([layer, foreign], {}),
        r"states: found shape \(1, 3, 12\), expected \(2, 3, 12\)": ([layer], {"states": states[:1]}),
        r"states: found shape \(2, 3, 12\), expected \(3, 3, 12\)": ([layer, layer], {"states": states}),
        "states: found dtype float64, expected float32": ([layer], {"states": states.astype(float)}),
        "rows_wanted: found states beside it, expected only one of the two": (
            [layer],
            {"states": states, "rows_wanted": np.array([0, 2])},
        ),
    }
    for message, (layers, options) in wrong.items():
        with pytest.raises(InputError, match=f"^{message}"):
            kernels.encoder(layers, x, starts, Workspace(), **options)
        with pytest.raises(InputError, match=f"^{message}"):
            kernels.encode(tables, layers, ids, positions, None, starts, Workspace(), **options)
    assert not states.any()


def test_no_tokens_and_no_rows_give_no_rows(tmp_path):
    kernels, tables, in_file, layer, ids, positions, starts = small_case(tmp_path)
    nothing, workspace = np.array([], np.int64), Workspace()
    for no_tokens in (np.array([0]), np.array([0, 0])):
        for rows in (None, nothing):
            x = np.empty((0, 12), np.float32)
            assert kernels.encoder([layer], x, no_tokens, workspace, rows).shape == (0, 12)
            for of in (tables, in_file):
                given = (of, [layer], nothing, nothing, None, no_tokens, workspace)
                assert kernels.encode(*given, rows).shape == (0, 12)
    given = ([layer], ids, positions, None, starts, workspace)
    assert kernels.encode(tables, *given, nothing).shape == (0, 12)
    assert kernels.encode(in_file, *given, nothing).shape == (0, 12)
    states = np.zeros((2, 0, 12), np.float32)
    assert kernels.encoder([layer], states[0], np.array([0]), workspace, states=states).shape == (0, 12)
