"""leaves.py, module.py and arrays.py: Linear, LayerNorm, Embedding … called alone, against float64, and
printed as torch prints its own; arrays from callers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from samples.kernels import THREADS, each_isa, normal, same_bits
from transformers.activations import GELUActivation, NewGELUActivation

from roberta_c.errors import InputError
from roberta_c.kernels import Kernels, Norm
from roberta_c.machine.threads import SERIAL_WORK
from roberta_c.model.arrays import as_float32, as_rows, first_tokens
from roberta_c.model.leaves import Activation, Dropout, Embedding, LayerNorm, Linear
from roberta_c.model.module import Module, ModuleList

K = Kernels()
RNG = np.random.default_rng(0)


def linear(out_features: int, in_features: int, bias: bool = True, kernels: Kernels = K) -> Linear:
    biases = [normal(RNG, out_features)] if bias else None
    return Linear(kernels.pack_linear([normal(RNG, out_features, in_features)], biases))


def layer_norm(hidden: int, eps: float = 1e-5, kernels: Kernels = K) -> LayerNorm:
    return LayerNorm(Norm(1 + normal(RNG, hidden, scale=0.2), normal(RNG, hidden, scale=0.2), eps), kernels)


def printed(theirs: torch.nn.Module) -> str:
    """torch's text without the `bias=True` that torch 2.13 appends to LayerNorm: published listings are
    older."""
    return repr(theirs).replace("elementwise_affine=True, bias=True)", "elementwise_affine=True)")


# ---- printing ------------------------------------------------------------------------------------------


def test_leaves_print_as_torchs():
    pairs = [
        (linear(4, 3), torch.nn.Linear(3, 4)),
        (linear(1, 768, bias=False), torch.nn.Linear(768, 1, bias=False)),
        (layer_norm(6), torch.nn.LayerNorm((6,), eps=1e-5)),
        (layer_norm(8, eps=1e-12), torch.nn.LayerNorm((8,), eps=1e-12)),
        (Embedding(np.zeros((9, 4), np.float32), padding_idx=1), torch.nn.Embedding(9, 4, padding_idx=1)),
        (Embedding(np.zeros((9, 4), np.float32), padding_idx=0), torch.nn.Embedding(9, 4, padding_idx=0)),
        (Embedding(np.zeros((2, 4), np.float16), "float16"), torch.nn.Embedding(2, 4)),
        (Dropout(0.1), torch.nn.Dropout(0.1)),
        (Dropout(0.0), torch.nn.Dropout(0.0)),
        (Activation("gelu", K), GELUActivation()),
        (Activation("gelu_new", K), NewGELUActivation()),
        (Activation("relu", K), torch.nn.ReLU()),
        (Activation("tanh", K), torch.nn.Tanh()),
    ]
    for ours, theirs in pairs:
        assert repr(ours) == printed(theirs)


class Sandwich(Module):
    """Modules in three levels, with lists of modules and an attribute that is no module."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__("Roberta")
        self.scale = 3.0
        self.inner = Part("Roberta")
        self.layer = ModuleList([linear(width, 3) for width in widths])
        self.dropout = Dropout(0.2)


class Part(Module):
    kind = "SelfPart"

    def __init__(self, family: str) -> None:
        super().__init__(family)
        self.first, self.second = layer_norm(5), linear(2, 5)


class RobertaSelfPart(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.LayerNorm(5), torch.nn.Linear(5, 2)


class RobertaSandwich(torch.nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.inner = RobertaSelfPart()
        self.layer = torch.nn.ModuleList([torch.nn.Linear(3, width) for width in widths])
        self.dropout = torch.nn.Dropout(0.2)


@pytest.mark.parametrize("widths", [[], [4], [4, 4], [4, 5], [4, 4, 4, 5, 5, 4], [5, *[4] * 23]])
def test_trees_print_as_torchs(widths):
    """Equal neighbours in a list are printed once with their number, others one by one, all indented."""
    assert repr(Sandwich(widths)) == printed(RobertaSandwich(widths))


def test_nested_lists_print_as_torchs():
    ours, theirs = Module(), torch.nn.Module()
    ours.blocks = ModuleList([Part("Roberta"), Part("Roberta"), linear(1, 1)])
    theirs.blocks = torch.nn.ModuleList([RobertaSelfPart(), RobertaSelfPart(), torch.nn.Linear(1, 1)])
    assert repr(ours) == printed(theirs)


def test_children_are_the_modules_in_order():
    tree = Sandwich([1, 2])
    assert [name for name, _ in tree.named_children()] == ["inner", "layer", "dropout"]
    assert list(tree.children()) == [tree.inner, tree.layer, tree.dropout]
    assert tree.display_name() == "RobertaSandwich"
    assert Part("XLMRoberta").display_name() == "XLMRobertaSelfPart"
    assert len(tree.layer) == 2
    assert [part.out_features for part in tree.layer] == [1, 2]
    assert tree.layer[-1].out_features == 2


@pytest.mark.parametrize("widths", [[], [1], [1, 1, 2]])
def test_names_of_modules_are_torchs(widths):
    ours, theirs = Sandwich(widths), RobertaSandwich(widths)
    assert [name for name, _ in ours.named_modules()] == [name for name, _ in theirs.named_modules()]
    assert [name for name, _ in ours.named_modules(prefix="x")] == [
        name for name, _ in theirs.named_modules(prefix="x")
    ]
    assert len(list(ours.modules())) == len(list(theirs.modules()))


def test_a_part_outside_a_model_has_no_parameters_of_a_file():
    assert not hasattr(linear(1, 1), "weight")


# ---- calling -------------------------------------------------------------------------------------------


@each_isa
@pytest.mark.parametrize("shape", [(3,), (1, 3), (5, 3), (2, 4, 3), (2, 1, 5, 3), (0, 3), (2, 0, 3)])
def test_linear_of_any_leading_dimensions(kernels, shape):
    layer = linear(7, 3, kernels=kernels)
    x = normal(RNG, *shape)
    w = layer.packed.panels.transpose(0, 2, 1).reshape(-1, 3)[:7].astype(np.float64)
    exact = x @ w.T + layer.packed.bias
    y = layer(x)
    assert y.dtype == np.float32
    assert y.shape == (*shape[:-1], 7)
    np.testing.assert_allclose(y, exact, rtol=0, atol=3e-6)
    residual = normal(RNG, *shape[:-1], 7)
    np.testing.assert_allclose(layer(x, residual=residual), exact + residual, rtol=0, atol=3e-6)
    np.testing.assert_array_equal(layer(x, activation="relu"), np.maximum(y, 0))


@each_isa
@pytest.mark.parametrize("shape", [(6,), (1, 6), (2, 4, 6), (2, 1, 3, 6)])
def test_layer_norm_of_any_leading_dimensions(kernels, shape):
    layer, x = layer_norm(6, kernels=kernels), normal(RNG, *shape)
    x64 = x.astype(np.float64)
    centred = x64 - x64.mean(axis=-1, keepdims=True)
    unit = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
    y = layer(x)
    assert y.shape == shape
    np.testing.assert_allclose(y, unit * layer.norm.weight + layer.norm.bias, rtol=0, atol=2e-6)


@each_isa
@pytest.mark.parametrize("name", ["gelu", "gelu_new", "relu", "tanh"])
def test_activations_equal_torchs_in_float64(kernels, name):
    theirs = {
        "gelu": GELUActivation(),
        "gelu_new": NewGELUActivation(),
        "relu": torch.nn.ReLU(),
        "tanh": torch.nn.Tanh(),
    }
    x = normal(RNG, 2, 3, 41, scale=3)
    exact = theirs[name](torch.tensor(x, dtype=torch.float64)).numpy()
    np.testing.assert_allclose(Activation(name, kernels)(x), exact, rtol=3e-7, atol=1e-7)


def test_embedding_rows_of_every_dtype():
    values = normal(RNG, 9, 5)
    bfloat16 = (values.view(np.uint32) >> 16).astype(np.uint16)
    widened = (bfloat16.astype(np.uint32) << 16).view(np.float32)
    tables = [
        (Embedding(values), values),
        (Embedding(values.astype(np.float16), "float16"), values.astype(np.float16).astype(np.float32)),
        (Embedding(bfloat16, "bfloat16"), widened),
    ]
    for embedding, expected in tables:
        for ids in (
            [0, 8],
            [[1, 2], [3, 4]],
            np.zeros((2, 0), np.uint8),
            np.array([[[7]]], np.uint64),
            np.array(5),
        ):
            rows = embedding(ids)
            assert rows.dtype == np.float32
            assert same_bits(rows, expected[np.asarray(ids, np.int64)])


def test_dropout_does_nothing():
    x = normal(RNG, 3, 4)
    assert Dropout(0.9)(x) is x


def test_threads_do_not_change_a_bit():
    x = normal(RNG, 400, 64)
    packed = K.pack_linear([normal(RNG, 50, 64)])
    assert x.size * 50 > SERIAL_WORK
    norm = layer_norm(64).norm
    for threads in THREADS:
        assert same_bits(Linear(packed, threads)(x), Linear(packed)(x))
        assert same_bits(LayerNorm(norm, K, threads)(x), LayerNorm(norm, K)(x))
        assert same_bits(Activation("gelu", K, threads)(x), Activation("gelu", K)(x))


# ---- arguments -----------------------------------------------------------------------------------------


def test_numbers_of_any_kind_become_float32_rows():
    expected = np.arange(12, dtype=np.float32).reshape(4, 3)
    forms = [
        expected.tolist(),
        expected.astype(np.float64),
        expected.astype(np.int8),
        expected.astype(">f4"),
        np.asfortranarray(expected),
        np.repeat(expected, 2, axis=1)[:, ::2],
        expected[::-1].copy()[::-1],
        torch.tensor(expected),
    ]
    for form in forms:
        rows, leading = as_rows(form, 3, "x")
        assert same_bits(rows, expected)
        assert rows.flags.c_contiguous
        assert leading == (4,)
    assert as_rows(expected.reshape(2, 2, 3), 3, "x")[1] == (2, 2)


@pytest.mark.parametrize("wrong", ["text", [["a"]], [True, False], [1j], [None], np.array(["2020"], "M8[D]")])
def test_values_that_are_not_numbers_are_refused(wrong):
    with pytest.raises(InputError, match=r"^x: found dtype .*, expected float32$"):
        as_float32(wrong, "x")


def test_shapes_that_do_not_fit_are_refused():
    layer = linear(7, 3)
    for shape in ((), (2,), (3, 4), (3, 0)):
        with pytest.raises(InputError, match=r"^x: found shape \(.*\), expected \(…, 3\)$"):
            layer(np.zeros(shape, np.float32))
    with pytest.raises(InputError, match=r"^residual: found shape \(2, 3\), expected \(…, 7\)$"):
        layer(np.zeros((2, 3)), residual=np.zeros((2, 3)))
    with pytest.raises(InputError, match=r"^residual: found leading shape \(3,\), expected \(2,\) as x$"):
        layer(np.zeros((2, 3)), residual=np.zeros((3, 7)))
    with pytest.raises(InputError, match=r"^x: found shape \(2, 5\), expected \(…, 6\)$"):
        layer_norm(6)(np.zeros((2, 5)))


def test_empty_and_ragged_inputs():
    assert layer_norm(6)(np.zeros((2, 0, 6), np.float32)).shape == (2, 0, 6)
    for ragged in ([[1.0, 2.0], [3.0]], [np.zeros((2, 3)), np.zeros((4, 3))]):
        with pytest.raises(
            InputError, match=r"^x: found rows of different lengths, expected a padded array$"
        ):
            linear(7, 3)(ragged)
    for shape in ((3,), (2, 3), (2, 0, 3)):
        with pytest.raises(
            InputError, match=r"^hidden_states: found shape .*, expected \(batch, length, hidden\)$"
        ):
            first_tokens(np.zeros(shape))


def test_ids_outside_an_embedding_are_refused():
    embedding = Embedding(np.zeros((9, 5), np.float32))
    for wrong in ([9], [-1], [[0, 2**40]], np.array([2**63], np.uint64)):
        with pytest.raises(InputError, match=r"^ids: found .* to .*, expected 0 to 8$"):
            embedding(wrong)
    for wrong in ([0.0], [True], ["a"], [None]):
        with pytest.raises(InputError, match=r"^ids: found dtype .*, expected integers$"):
            embedding(wrong)
