"""The extension: every method refuses wrong arguments with a message that names them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from samples.kernels import normal, random_layer, same_bits, starts_of

from roberta_c.errors import InputError
from roberta_c.kernels import (
    ConvertedRows,
    EmbeddingTables,
    Kernels,
    Norm,
    PackedLayer,
    PackedLinear,
    Workspace,
)

pytestmark = pytest.mark.unsanitized


def zeros(*shape: int, dtype: object = np.float32) -> np.ndarray:
    return np.zeros(shape, dtype)


K = Kernels("generic")
NORM = Norm(np.ones(6, np.float32), zeros(6), 1e-5)
PACKED = K.pack_linear([zeros(4, 6)], [zeros(4)])
TABLES = EmbeddingTables(zeros(9, 6), "float32", zeros(5, 6), zeros(2, 6), NORM)
INT8 = K.pack_linear([zeros(4, 6)], dtype="int8")
LAYER = random_layer(K, np.random.default_rng(0), 6, 2, 8)
IDS = np.array([0, 1, 2])
STARTS = starts_of([3])

# Every argument that takes floats: its name in messages, a value that is accepted, and the call.
FLOAT_ARGUMENTS = {
    "linear x": ("x", zeros(3, 6), lambda a: K.linear(a, PACKED)),
    "linear residual": ("residual", zeros(3, 4), lambda a: K.linear(zeros(3, 6), PACKED, residual=a)),
    "layer_norm x": ("x", zeros(3, 6), lambda a: K.layer_norm(a, NORM)),
    "pool x": ("x", zeros(3, 6), lambda a: K.pool(a, STARTS, ("mean",))),
    "attention qkv": ("qkv", zeros(3, 18), lambda a: K.attention(a, STARTS, 2)),
    "linear out": ("out", zeros(3, 4), lambda a: K.linear(zeros(3, 6), PACKED, out=a)),
    "convert_rows x": ("x", zeros(3, 6), lambda a: K.convert_rows(a, INT8)),
    "encoder_layer x": ("x", zeros(3, 6), lambda a: K.encoder_layer(LAYER, a, STARTS, Workspace())),
    "encoder x": ("x", zeros(3, 6), lambda a: K.encoder([LAYER], a, STARTS, Workspace())),
    "encoder states": ("states", zeros(2, 3, 6), lambda a: encode_by("encoder", STARTS, states=a)),
    "encode states": ("states", zeros(2, 3, 6), lambda a: encode_by("encode", STARTS, states=a)),
    "pack_linear weight": ("weight", zeros(4, 6), lambda a: K.pack_linear([a])),
    "pack_linear second weight": ("weight", zeros(4, 6), lambda a: K.pack_linear([zeros(4, 6), a])),
    "pack_linear bias": ("bias", zeros(4), lambda a: K.pack_linear([zeros(4, 6)], [a])),
    "Norm weight": ("LayerNorm weight", zeros(6), lambda a: Norm(a, zeros(6), 1e-5)),
    "Norm bias": ("LayerNorm bias", zeros(6), lambda a: Norm(zeros(6), a, 1e-5)),
    "word": ("word embeddings", zeros(9, 6), lambda a: tables(word=a)),
    "position": ("position embeddings", zeros(5, 6), lambda a: tables(position=a)),
    "token_type": ("token type embeddings", zeros(2, 6), lambda a: tables(token_type=a)),
    "panels": ("panels", PACKED.panels, lambda a: PackedLinear(K, a, None, 1, 4, 6)),
    "packed bias": ("bias", zeros(4), lambda a: PackedLinear(K, PACKED.panels, a, 1, 4, 6)),
    "activate x": ("x", zeros(3, 6), lambda a: K.activate(a, "gelu")),
    "exponentiate x": ("x", zeros(3, 6), lambda a: K.exponentiate(a)),
}


def tables(**changed: object) -> EmbeddingTables:
    parts = {"word": zeros(9, 6), "word_dtype": "float32", "position": zeros(5, 6), "token_type": zeros(2, 6)}
    return EmbeddingTables(**{**parts, "norm": NORM, **changed})


def encode_by(method: str, starts: np.ndarray, **options: object) -> np.ndarray:
    """`encoder` of three zero rows, or `encode` of three tokens."""
    if method == "encoder":
        return K.encoder([LAYER], zeros(3, 6), starts, Workspace(), **options)
    return K.encode(TABLES, [LAYER], IDS, IDS, None, starts, Workspace(), **options)


@pytest.mark.parametrize("case", FLOAT_ARGUMENTS)
def test_arrays_of_another_kind_are_refused(case):
    """Each call checks the array that it gets, under its name (all wrong forms: test_arguments.py)."""
    name, good, call = FLOAT_ARGUMENTS[case]
    call(good)
    unaligned = np.zeros(good.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(good.shape)
    wrong = {
        "found list, expected a numpy array": good.tolist(),
        "found dtype float64, expected float32": good.astype(np.float64),
        "found a strided or unaligned array, expected a C-contiguous one": np.repeat(good, 2, axis=-1)[
            ..., ::2
        ],
    }
    if case != "word":  # the one table that C reads at any alignment
        wrong["found a strided or unaligned array"] = unaligned
    if case not in (
        "linear residual",
        "linear out",
        "packed bias",
        "encoder states",
        "encode states",
    ):  # optional
        wrong["found NoneType, expected a numpy array"] = None
    for pattern, value in wrong.items():
        with pytest.raises(InputError, match=rf"^{name}: {pattern}"):
            call(value)


@pytest.mark.parametrize(
    "case", [case for case in FLOAT_ARGUMENTS if case not in ("activate x", "exponentiate x")]
)
def test_arrays_of_another_shape_are_refused(case):
    name, good, call = FLOAT_ARGUMENTS[case]
    shapes = [
        good[None],
        good.reshape(-1, 1, 1),
        zeros(),
        np.pad(good, [(0, 0)] * (good.ndim - 1) + [(0, 1)]),
    ]
    if case == "pack_linear weight":
        shapes = [*shapes[:3], zeros(0, 6), zeros(4, 0)]
    if case in ("Norm weight", "pool x"):  # of any width
        shapes = [*shapes[:3]]
    for shape in shapes:
        with pytest.raises(
            InputError, match=rf"^{name}: found shape \([0-9, ]*\)[ a-z0-9]*, expected "
        ) as caught:
            call(shape)
        assert "\n" not in str(caught.value)


def read_only(*shape: int) -> np.ndarray:
    array = zeros(*shape)
    array.flags.writeable = False
    return array


def test_arrays_that_receive_results_must_be_writable():
    for name, call in {
        "x": lambda: K.encoder_layer(LAYER, read_only(3, 6), STARTS, Workspace()),
        "states": lambda: encode_by("encoder", STARTS, states=read_only(2, 3, 6)),
        "out": lambda: K.linear(zeros(3, 6), PACKED, out=read_only(3, 4)),
    }.items():
        with pytest.raises(InputError, match=rf"^{name}: found a read-only array.*, expected a writable "):
            call()


@pytest.mark.parametrize(
    "starts",
    [np.array([0, 2]), np.array([0, 2, 1, 3]), np.array([0, 3], np.int32), np.array([], np.int64), [0, 3]],
)
def test_sequence_offsets_are_checked(starts):
    """By every method that takes them (all wrong forms: test_arguments.py)."""
    for call in (
        lambda: K.attention(zeros(3, 18), starts, 2),
        lambda: K.encoder_layer(LAYER, zeros(3, 6), starts, Workspace()),
        lambda: encode_by("encoder", starts),
        lambda: encode_by("encode", starts),
    ):
        with pytest.raises(InputError, match=r"^seq_starts: found .*, expected "):
            call()


@pytest.mark.parametrize("heads", [0, -1, 4, 7, 2**40])
def test_heads_must_divide_the_hidden_size(heads):
    with pytest.raises(InputError, match=rf"^qkv: found shape \(3, 18\) for {heads} heads, expected "):
        K.attention(zeros(3, 18), STARTS, heads)
    with pytest.raises(InputError, match=rf"^heads: found {heads}, expected a divisor of 6$"):
        layer(heads=heads)
    with pytest.raises(InputError, match=r"^qkv: found shape \(3, 17\) for 1 heads"):
        K.attention(zeros(3, 17), STARTS, 1)


@pytest.mark.parametrize("activation", ["GELU", "", "swish", None, 3, [], b"gelu", "x" * 999])
def test_an_unknown_activation_is_refused(activation):
    pattern = r"^activation: found .{1,80}, expected one of none, gelu, gelu_new, relu, tanh$"
    with pytest.raises(InputError, match=pattern):
        K.activate(zeros(3), activation)
    with pytest.raises(InputError, match=pattern):
        K.linear(zeros(3, 6), PACKED, activation)
    if activation is None or isinstance(activation, str):
        with pytest.raises(InputError, match=pattern):
            layer(activation=activation)


def test_a_residual_beside_an_activation_is_refused():
    with pytest.raises(
        InputError, match=r"^residual: found an activation beside it, expected only one of the two$"
    ):
        K.linear(zeros(3, 6), PACKED, "gelu", residual=zeros(3, 4))


def test_weights_of_other_kernels_are_refused():
    other = Kernels("reference")
    with pytest.raises(
        InputError, match=r"^packed: found weights packed by another Kernels object \(generic\)"
    ):
        other.linear(zeros(3, 6), PACKED)
    with pytest.raises(
        InputError, match=r"^layer: found weights packed by another Kernels object \(generic\)"
    ):
        other.encoder_layer(LAYER, zeros(3, 6), STARTS, Workspace())
    with pytest.raises(
        InputError, match=r"^packed: found weights packed by another Kernels object \(generic\)"
    ):
        other.convert_rows(zeros(3, 6), INT8)
    with pytest.raises(
        InputError, match=r"^encoder layer: found parts packed by different Kernels, expected one Kernels$"
    ):
        layer(down=other.pack_linear([zeros(6, 8)]))


def layer(**changed: object) -> PackedLayer:
    names = ["qkv", "attention_output", "attention_norm", "up", "down", "output_norm", "heads", "activation"]
    return PackedLayer(**{**{name: getattr(LAYER, name) for name in names}, **changed})


def test_parts_of_a_layer_must_fit_together():
    layer()
    shapes = {
        "qkv": K.pack_linear([zeros(6, 6)] * 2),
        "attention_output": K.pack_linear([zeros(6, 7)]),
        "up": K.pack_linear([zeros(8, 5)]),
        "down": K.pack_linear([zeros(8, 6)]),
    }
    for name, wrong in shapes.items():
        with pytest.raises(InputError, match=r"^encoder layer: found \(sections, n, k\) \[.*\], expected \["):
            layer(**{name: wrong})
    for name in ("attention_norm", "output_norm"):
        with pytest.raises(InputError, match=r"^encoder layer: found LayerNorms of \d and \d, expected 6$"):
            layer(**{name: Norm(zeros(5), zeros(5), 1e-5)})


def test_packed_weights_must_have_the_size_that_is_given():
    for sections, n, k in ((1, 1000, 6), (2, 4, 6), (1, 4, 600), (2**62, 4, 6)):
        with pytest.raises(InputError, match=r"^panels: found shape \(1, 6, 8\), expected \("):
            PackedLinear(K, PACKED.panels, None, sections, n, k)
    for sizes in ((0, 4, 6), (1, 0, 6), (1, 4, 0), (-1, 4, 6)):
        with pytest.raises(InputError, match=r"^packed: found .* sections of .*, expected positive sizes$"):
            PackedLinear(K, PACKED.panels, None, *sizes)
    for section in (-1, 1, 2**40):
        with pytest.raises(InputError, match=rf"^section: found {section}, expected 0 to 0$"):
            PACKED.section(section)
    with pytest.raises(InputError, match=r"^weights: found none, expected at least one matrix$"):
        K.pack_linear([])
    with pytest.raises(InputError, match=r"^biases: found 2, expected 1, one for each matrix$"):
        K.pack_linear([zeros(4, 6)], [zeros(4), zeros(4)])


def test_embedding_tables_are_checked():
    for wrong in ("float64", "", None):
        with pytest.raises(
            InputError, match=r"^word_dtype: found .*, expected one of float32, float16, bfloat16$"
        ):
            tables(word_dtype=wrong)
    with pytest.raises(InputError, match=r"^word embeddings: found dtype float32, expected uint16$"):
        tables(word_dtype="bfloat16")
    with pytest.raises(
        InputError, match=r"^token type embeddings: found shape \(0, 6\), expected at least one row$"
    ):
        tables(token_type=zeros(0, 6))
    for empty in ("word", "position"):
        with pytest.raises(InputError, match=r"_ids: found 0, expected 0 to -1$"):
            K.embed(tables(**{empty: zeros(0, 6)}), IDS[:1], IDS[:1])


@pytest.mark.parametrize("wrong", [None, 3, "x", NORM.weight])
def test_packed_parts_of_another_class_are_refused(wrong):
    """Above all None, which Cython would pass on as an object of the right class."""
    calls = [
        lambda: K.linear(zeros(3, 6), wrong),
        lambda: K.layer_norm(zeros(3, 6), wrong),
        lambda: K.embed(wrong, IDS, IDS),
        lambda: K.encoder_layer(wrong, zeros(3, 6), STARTS, Workspace()),
        lambda: K.encoder_layer(LAYER, zeros(3, 6), STARTS, wrong),
        lambda: K.encoder([LAYER], zeros(3, 6), STARTS, wrong),
        lambda: K.encode(wrong, [LAYER], IDS, IDS, None, STARTS, Workspace()),
        lambda: K.encode(TABLES, [LAYER], IDS, IDS, None, STARTS, wrong),
        lambda: K.convert_rows(zeros(3, 6), wrong),
        lambda: ConvertedRows(wrong, 3),
        lambda: tables(norm=wrong),
        lambda: PackedLinear(wrong, PACKED.panels, None, 1, 4, 6),
        *(
            lambda part=part: layer(**{part: wrong})
            for part in ("qkv", "attention_norm", "up", "down", "output_norm")
        ),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="incorrect type"):
            call()


def test_packed_parts_cannot_be_changed():
    for part, names in (
        (PACKED, ("kernels", "panels", "bias", "sections", "n", "k", "nbytes")),
        (K.convert_rows(zeros(3, 6), INT8), ("packed", "rows", "quantizations")),
        (NORM, ("weight", "bias", "eps")),
        (TABLES, ("word", "position", "token_type", "norm", "word_dtype")),
        (LAYER, ("qkv", "up", "down", "heads", "activation")),
    ):
        for name in names:
            with pytest.raises(AttributeError):
                setattr(part, name, None)
        with pytest.raises(TypeError):
            pickle.dumps(part)


def test_a_refused_call_leaves_everything_usable():
    x = normal(np.random.default_rng(1), 3, 6)
    y, workspace = x.copy(), Workspace()
    for starts in ([0, 2], [0, 2**62, 3], [0, 2, 1, 3]):
        with pytest.raises(InputError):
            K.encoder_layer(LAYER, y, np.array(starts), workspace)
    assert same_bits(y, x)
    K.encoder_layer(LAYER, y, STARTS, workspace)
    assert np.isfinite(y).all()
