"""Models of random weights and many shapes against transformers, on every instruction set.

The reference is transformers in float64. The largest error of the logits, and of each hidden state at tokens
that are not padding, may be twice that of transformers in float32, or FLOOR if that is more.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from samples.models import make_model_of_shape, make_random_model, padded_batch

import roberta_c
from roberta_c.kernels import available_isas

FLOOR = 1e-5

# hidden, heads, layers, feed-forward, positions, sequence lengths. Sizes are no multiples of a register tile.
ODD_SHAPES = {
    "hidden 36, 3 heads": (36, 3, 2, 50, 64, [62, 1, 5, 17, 33]),
    "one wide head": (64, 1, 1, 64, 40, [38, 2, 3]),
    "hidden 100, 5 heads": (100, 5, 3, 77, 130, [128, 64, 31, 1]),
    "24 layers": (48, 4, 24, 96, 64, [30, 7, 62]),
    "head size 1": (7, 7, 2, 13, 34, [32, 9]),
    "wider than feed-forward": (130, 10, 2, 33, 300, [298, 150]),
    "hidden 1": (1, 1, 2, 1, 20, [18, 4]),
}


def run_transformers(model, ids, mask):
    with torch.no_grad():
        return model(torch.tensor(ids), attention_mask=torch.tensor(mask), output_hidden_states=True)


def worst(values, expected, mask):
    return float(np.abs(np.asarray(values) - expected)[mask > 0].max())


def check_against_transformers(
    made, ids, mask, auto_class=roberta_c.AutoModelForSequenceClassification, isas=None
):
    """Checks the bound of this file on every instruction set, or on `isas`, and that ragged rows give the
    bits of the padded batch."""
    single = run_transformers(made.model, ids, mask)
    double = run_transformers(copy.deepcopy(made.model).double(), ids, mask)
    expected = double.logits.numpy()
    assert expected.std() > 0.05, "the logits are nearly constant: equality would prove nothing"
    ragged = [row[kept > 0].tolist() for row, kept in zip(ids, mask, strict=True)]
    for isa in available_isas() if isas is None else isas:
        ours = auto_class.from_pretrained(made.folder, isa=isa, num_threads=2)
        output = ours(ids, attention_mask=mask, output_hidden_states=True)
        bound = max(2 * np.abs(single.logits.numpy() - expected).max(), FLOOR)
        assert np.abs(output.logits - expected).max() <= bound, isa
        assert len(output.hidden_states) == len(double.hidden_states)
        for index, state in enumerate(double.hidden_states):
            bound = max(2 * worst(single.hidden_states[index].numpy(), state.numpy(), mask), FLOOR)
            assert worst(output.hidden_states[index], state.numpy(), mask) <= bound, (isa, index)
        assert np.array_equal(ours(ragged).logits, output.logits), isa


@pytest.mark.parametrize("family", ["roberta", "xlm-roberta"])
@pytest.mark.parametrize("shape", ODD_SHAPES)
def test_odd_shapes(family, shape, model_folder):
    made = make_model_of_shape(model_folder / f"{family} {shape}", ODD_SHAPES[shape], family)
    ids, mask = padded_batch(np.random.default_rng(1), ODD_SHAPES[shape][-1], 997)
    check_against_transformers(made, ids, mask)


# Without vectors a model of this size takes half a minute.
VECTOR_ISAS = [isa for isa in available_isas() if isa != "generic"] or ["generic"]


@pytest.mark.parametrize(
    ("family", "isas"),
    [
        ("roberta", VECTOR_ISAS),
        pytest.param("roberta", ["generic"], marks=pytest.mark.slow),
        pytest.param("xlm-roberta", list(available_isas()), marks=pytest.mark.slow),
    ],
    ids=["roberta", "roberta generic", "xlm-roberta"],
)
def test_base_size(family, isas, base_model):
    made = base_model(family)
    ids, mask = padded_batch(np.random.default_rng(2), [150, 26, 1, 31, 64, 97], made.config.vocab_size)
    check_against_transformers(made, ids, mask, isas=isas)


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu", "tanh"])
def test_activations_and_token_types(activation, model_folder):
    made = make_random_model(
        model_folder / activation,
        hidden_size=40,
        num_attention_heads=4,
        num_hidden_layers=2,
        intermediate_size=70,
        vocab_size=300,
        max_position_embeddings=50,
        hidden_act=activation,
        type_vocab_size=2,
    )
    ids, mask = padded_batch(np.random.default_rng(3), [40, 11], 300)
    check_against_transformers(made, ids, mask)
    types = np.random.default_rng(4).integers(0, 2, ids.shape)
    ours = roberta_c.RobertaForSequenceClassification.from_pretrained(made.folder)
    with torch.no_grad():
        expected = made.model(
            torch.tensor(ids), torch.tensor(mask), token_type_ids=torch.tensor(types)
        ).logits
    np.testing.assert_allclose(ours(ids, mask, token_type_ids=types).logits, expected.numpy(), atol=2 * FLOOR)


@pytest.mark.parametrize("side", ["left", "inside"])
def test_padding_elsewhere(side, model_folder):
    """Padding on the left or between tokens: hidden states at real tokens are those of transformers. Logits
    are those of the text without padding, because ours classify by `<s>`; transformers classifies by column
    0, which is padding here."""
    made = make_random_model(
        model_folder / side,
        hidden_size=48,
        num_attention_heads=4,
        num_hidden_layers=3,
        intermediate_size=96,
        vocab_size=500,
        max_position_embeddings=80,
    )
    ids, mask = padded_batch(np.random.default_rng(5), [70, 12, 1, 33], 500, side)
    double = run_transformers(copy.deepcopy(made.model).double(), ids, mask)
    ours = roberta_c.RobertaForSequenceClassification.from_pretrained(made.folder)
    for dtype in (np.int64, np.int32, bool, np.uint8, np.float32):
        output = ours(ids, mask.astype(dtype), output_hidden_states=True)
        for found, state in zip(output.hidden_states, double.hidden_states, strict=True):
            assert worst(found, state.numpy(), mask) <= FLOOR
            assert not found[mask == 0].any()
    ragged = [row[kept > 0].tolist() for row, kept in zip(ids, mask, strict=True)]
    assert np.array_equal(ours(ragged).logits, output.logits)


def test_pad_ids_inside_and_no_mask_follow_transformers(model_folder):
    """Without a mask, pad ids are tokens like others (and shift positions), as upstream."""
    made = make_random_model(
        model_folder / "no mask",
        hidden_size=32,
        num_attention_heads=2,
        num_hidden_layers=2,
        intermediate_size=64,
        vocab_size=200,
        max_position_embeddings=300,
    )
    rng = np.random.default_rng(6)
    ids = rng.integers(3, 200, (3, 290))
    ids[rng.random(ids.shape) < 0.1] = 1
    mask = np.ones_like(ids)
    check_against_transformers(made, ids, mask)
    ours = roberta_c.RobertaForSequenceClassification.from_pretrained(made.folder)
    assert np.array_equal(ours(ids).logits, ours(ids, mask).logits)


def test_long_positions(model_folder):
    """8,194 positions hold 8,192 tokens; 8,193 are an error."""
    made = make_random_model(
        model_folder / "long",
        "xlm-roberta",
        hidden_size=24,
        num_attention_heads=2,
        num_hidden_layers=1,
        intermediate_size=32,
        vocab_size=100,
        max_position_embeddings=8194,
    )
    ids, mask = padded_batch(np.random.default_rng(7), [8192, 300], 100)
    check_against_transformers(made, ids, mask)
    ours = roberta_c.XLMRobertaForSequenceClassification.from_pretrained(made.folder)
    with pytest.raises(roberta_c.errors.InputError, match=r"8193 tokens in row 0, expected at most 8192"):
        ours([[0, *[5] * 8191, 2]])


@pytest.mark.parametrize("family", ["roberta", "xlm-roberta"])
def test_base_model_and_pooler(family, model_folder):
    """A base model from a classifier's file has the encoder and no pooler; from its own file it has both."""
    made = make_random_model(
        model_folder / f"{family} pooler",
        family,
        hidden_size=32,
        num_attention_heads=2,
        num_hidden_layers=2,
        intermediate_size=64,
        vocab_size=200,
        max_position_embeddings=40,
    )
    ids, mask = padded_batch(np.random.default_rng(8), [20, 9], 200)
    ours = roberta_c.AutoModel.from_pretrained(made.folder)
    assert type(ours).__name__ == {"roberta": "RobertaModel", "xlm-roberta": "XLMRobertaModel"}[family]
    assert ours(ids, mask).pooler_output is None
    assert ours.load_report.missing == ("pooler.dense.weight", "pooler.dense.bias")

    import transformers

    base_class = {"roberta": transformers.RobertaModel, "xlm-roberta": transformers.XLMRobertaModel}[family]
    base = base_class(made.config).eval()
    base.save_pretrained(model_folder / f"{family} base model")
    with torch.no_grad():
        expected = base(torch.tensor(ids), torch.tensor(mask))
    output = roberta_c.AutoModel.from_pretrained(model_folder / f"{family} base model")(ids, mask)
    assert output.pooler_output.shape == (2, 32)
    np.testing.assert_allclose(output.pooler_output, expected.pooler_output.numpy(), atol=FLOOR)
    np.testing.assert_allclose(
        output.last_hidden_state[mask > 0], expected.last_hidden_state.numpy()[mask > 0], atol=FLOOR
    )
