"""embed: layer_norm((word[id] + token_type[type]) + position[position]); word rows are in the file's own
type."""

from __future__ import annotations

import os

import numpy as np
import pytest
from samples.kernels import (
    THREADS,
    assert_canaries,
    each_isa,
    each_place,
    guarded,
    guarded_outputs,
    lanes,
    normal,
    rows_in,
    same_bits,
)

from roberta_c.errors import InputError, ModelFileError
from roberta_c.kernels import EmbeddingTables, Kernels, Norm

DTYPES = ("float32", "float16", "bfloat16")
EVERY_HALF = np.arange(2**16, dtype=np.uint16)


def stored_and_widened(rng: np.random.Generator, dtype: str, rows: int, hidden: int):
    """A table as a file of this dtype holds it, and numpy's float32 of the same."""
    values = normal(rng, rows, hidden)
    if dtype == "bfloat16":
        stored = (values.view(np.uint32) >> 16).astype(np.uint16)
        return stored, (stored.astype(np.uint32) << 16).view(np.float32)
    stored = values.astype(dtype)
    return stored, stored.astype(np.float32)


def random_norm(rng: np.random.Generator, hidden: int) -> Norm:
    return Norm(1 + normal(rng, hidden, scale=0.2), normal(rng, hidden, scale=0.2), 1e-5)


def random_batch(rng: np.random.Generator, tokens: int, rows: tuple[int, int, int]) -> list[np.ndarray]:
    """ids, positions, types."""
    return [rng.integers(0, limit, tokens) for limit in rows]


@each_isa
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden", [1, 3, 16, 33, 100])
def test_equals_the_layer_norm_of_the_sum(kernels, dtype, hidden):
    rng = np.random.default_rng(hidden)
    stored, word = stored_and_widened(rng, dtype, 50, hidden)
    position, token_type = normal(rng, 20, hidden), normal(rng, 3, hidden)
    norm = random_norm(rng, hidden)
    tables = EmbeddingTables(stored, dtype, position, token_type, norm)
    ids, positions, types = random_batch(rng, 40, (50, 20, 3))
    for threads in THREADS:
        x = kernels.embed(tables, ids, positions, types, num_threads=threads)
        summed = (word[ids] + token_type[types]) + position[positions]
        assert same_bits(x, kernels.layer_norm(summed, norm))
        # Without types, row 0 is added, as in transformers (type_vocab_size 1).
        x = kernels.embed(tables, ids, positions, num_threads=threads)
        assert same_bits(x, kernels.layer_norm((word[ids] + token_type[0]) + position[positions], norm))


def every_half_through(kernels: Kernels, dtype: str, eps: float) -> np.ndarray:
    """The result for the row (v, -v) of every 16-bit pattern v, whose first value is v / sqrt(v^2 + eps)."""
    table = np.stack([EVERY_HALF, EVERY_HALF ^ 0x8000], axis=1)
    if dtype == "float16":
        table = table.view(np.float16)
    zero = np.zeros((1, 2), np.float32)
    tables = EmbeddingTables(
        table, dtype, zero, zero, Norm(np.ones(2, np.float32), np.zeros(2, np.float32), eps)
    )
    every = np.arange(2**16)
    return kernels.embed(tables, every, np.zeros_like(every))[:, 0]


@each_isa
def test_every_float16_is_widened_exactly(kernels):
    """With eps = 2^100 LayerNorm multiplies by 2^-50, which loses no bit, not even of denormals."""
    values = EVERY_HALF.view(np.float16).astype(np.float64)
    found = every_half_through(kernels, "float16", 2.0**100).astype(np.float64) * 2.0**50
    finite = np.isfinite(values)
    np.testing.assert_array_equal(found[finite], values[finite])
    assert np.isnan(found[~finite]).all()  # inf - inf


@each_isa
@pytest.mark.parametrize(("eps", "exponents"), [(2.0**120, (-60, 47)), (2.0**-100, (-133, -64))])
def test_every_bfloat16_is_widened_exactly(kernels, eps, exponents):
    """LayerNorm with such an eps multiplies by a power of two. No single power keeps all values in the
    range of float32, so there are two; values above 2^47 are not tested."""
    with np.errstate(invalid="ignore"):  # signalling NaNs among the patterns
        values = (EVERY_HALF.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    found = every_half_through(kernels, "bfloat16", eps).astype(np.float64) * np.sqrt(eps)
    magnitudes = np.abs(values)
    inside = (magnitudes == 0) | ((magnitudes >= 2.0 ** exponents[0]) & (magnitudes <= 2.0 ** exponents[1]))
    np.testing.assert_array_equal(found[inside], values[inside])
    assert np.isnan(found[~np.isfinite(values)]).all()


@each_isa
@pytest.mark.parametrize("dtype", DTYPES)
def test_word_tables_may_be_unaligned_and_read_only(kernels, dtype):
    """Views of a file's bytes lie at odd addresses and are not writable."""
    rng = np.random.default_rng(2)
    hidden = 2 * lanes(kernels) + 1
    stored, _ = stored_and_widened(rng, dtype, 30, hidden)
    position, token_type, norm = normal(rng, 9, hidden), normal(rng, 1, hidden), random_norm(rng, hidden)
    ids, positions, _ = random_batch(rng, 25, (30, 9, 1))
    expected = kernels.embed(EmbeddingTables(stored, dtype, position, token_type, norm), ids, positions)
    for shift in range(1, 8):
        memory = np.full(stored.nbytes + 16, 0xFF, np.uint8)
        memory[shift : shift + stored.nbytes] = stored.reshape(-1).view(np.uint8)
        memory.flags.writeable = False
        moved = memory[shift : shift + stored.nbytes].view(stored.dtype).reshape(stored.shape)
        tables = EmbeddingTables(moved, dtype, position, token_type, norm)
        assert tables.word is moved
        assert same_bits(kernels.embed(tables, ids, positions), expected)


@each_isa
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_read_from_a_file_equal_rows_of_a_table_in_memory(kernels, dtype, tmp_path):
    rng = np.random.default_rng(6)
    hidden, first_byte = 2 * lanes(kernels) + 1, 37
    stored, _ = stored_and_widened(rng, dtype, 30, hidden)
    others = normal(rng, 9, hidden), normal(rng, 1, hidden), random_norm(rng, hidden)
    ids, positions, _ = random_batch(rng, 25, (30, 9, 1))
    path = tmp_path / "rows"
    path.write_bytes(bytes(first_byte) + stored.tobytes())
    elsewhere = EmbeddingTables(rows_in(path, stored, dtype, first_byte), dtype, *others)
    expected = kernels.embed(EmbeddingTables(stored, dtype, *others), ids, positions)
    for threads in THREADS:
        assert same_bits(kernels.embed(elsewhere, ids, positions, num_threads=threads), expected)
    assert kernels.embed(elsewhere, ids[:0], positions[:0]).shape == (0, hidden)

    closed = EmbeddingTables(rows_in(path, stored, dtype, first_byte), dtype, *others)
    os.dup2(os.open(__file__, os.O_RDONLY), closed.stored_rows.file.descriptor)
    with pytest.raises(ModelFileError, match="rows: other code closed the file's descriptor"):
        kernels.embed(closed, ids, positions)

    os.truncate(path, first_byte + stored.nbytes - 1)
    present, last = np.array([0, 3]), np.array([0, 29])
    assert same_bits(
        kernels.embed(elsewhere, present, positions[:2])[:1],
        kernels.embed(elsewhere, present[:1], positions[:1]),
    )
    for threads in THREADS:
        with pytest.raises(ModelFileError, match="rows: became shorter"):
            kernels.embed(elsewhere, last, positions[:2], num_threads=threads)


@each_isa
def test_a_token_has_the_same_bits_in_any_batch(kernels):
    rng = np.random.default_rng(3)
    for case in range(60):
        hidden, tokens = int(rng.integers(1, 80)), int(rng.integers(1, 30))
        tables = EmbeddingTables(
            normal(rng, 40, hidden),
            "float32",
            normal(rng, 40, hidden),
            normal(rng, 2, hidden),
            random_norm(rng, hidden),
        )
        batch = random_batch(rng, tokens, (40, 40, 2))
        alone = np.concatenate([kernels.embed(tables, *(a[i : i + 1] for a in batch)) for i in range(tokens)])
        order = rng.permutation(tokens)
        threads = THREADS[case % len(THREADS)]
        x = kernels.embed(tables, *(a[order] for a in batch), num_threads=threads)
        assert same_bits(x, alone[order])


@each_isa
@each_place
@pytest.mark.parametrize("dtype", DTYPES)
def test_touches_nothing_around_its_arrays(kernels, first_byte, dtype, monkeypatch):
    """The first and the last row of every table are read: beside them, a stray read would meet a canary."""
    rng = np.random.default_rng(4)
    for hidden in {2, lanes(kernels) + 1, 2 * lanes(kernels), 35} - {0}:
        stored, _ = stored_and_widened(rng, dtype, 6, hidden)
        arrays = [
            stored,
            normal(rng, 4, hidden),
            normal(rng, 2, hidden),
            normal(rng, hidden),
            normal(rng, hidden),
        ]
        arrays += [np.array([0, 5, 3, 5, 0]), np.array([0, 3, 3, 1, 2]), np.array([0, 1, 1, 0, 1])]
        given = [guarded(array, first_byte) for array in arrays]
        results = []
        for word, position, token_type, weight, bias, ids, positions, types in (arrays, given):
            tables = EmbeddingTables(word, dtype, position, token_type, Norm(weight, bias, 1e-5))
            if ids is given[5]:
                with guarded_outputs(monkeypatch, first_byte):
                    results.append(kernels.embed(tables, ids, positions, types, num_threads=2))
            else:
                results.append(kernels.embed(tables, ids, positions, types))
        assert same_bits(*results)
        for array in given:
            assert_canaries(array)


@each_isa
def test_indices_outside_the_tables_are_refused(kernels):
    rng = np.random.default_rng(5)
    tables = EmbeddingTables(
        normal(rng, 7, 4), "float32", normal(rng, 5, 4), normal(rng, 2, 4), random_norm(rng, 4)
    )
    fine = np.array([0, 1])
    for wrong in (-1, -(2**63), 7, 2**63 - 1):
        with pytest.raises(InputError, match=rf"^input_ids: found {wrong}, expected 0 to 6$"):
            kernels.embed(tables, np.array([0, wrong]), fine)
    with pytest.raises(InputError, match=r"^position_ids: found 5, expected 0 to 4$"):
        kernels.embed(tables, fine, np.array([5, 0]))
    with pytest.raises(InputError, match=r"^token_type_ids: found 2, expected 0 to 1$"):
        kernels.embed(tables, fine, fine, np.array([0, 2]))
    with pytest.raises(InputError, match=r"^position_ids: found shape \(3,\), expected \(2\)$"):
        kernels.embed(tables, fine, np.array([0, 1, 2]))
    with pytest.raises(InputError, match=r"^input_ids: found dtype int32, expected int64$"):
        kernels.embed(tables, fine.astype(np.int32), fine)
    assert kernels.embed(tables, fine[:0], fine[:0]).shape == (0, 4)


def test_rows_of_another_shape_or_type_are_refused(tmp_path):
    (tmp_path / "rows").write_bytes(bytes(4 * 7 * 4))
    rng = np.random.default_rng(9)
    others = normal(rng, 5, 4), normal(rng, 2, 4), random_norm(rng, 4)
    rows = rows_in(tmp_path / "rows", np.empty((7, 4), np.float32), "float32", 0)
    assert len(EmbeddingTables(rows, "float32", *others).word) == 7
    with pytest.raises(
        InputError, match=r"word embeddings: found float32 of shape \(7, 4\), expected float16"
    ):
        EmbeddingTables(rows, "float16", *others)
    rows = rows_in(tmp_path / "rows", np.empty((4, 7), np.float32), "float32", 0)
    with pytest.raises(InputError, match=r"found float32 of shape \(4, 7\), expected float32 of shape"):
        EmbeddingTables(rows, "float32", *others)
