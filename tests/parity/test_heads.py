"""Every head against transformers, both families, on every instruction set; attention weights likewise.

The bound is that of test_model_parity.py: twice the error of transformers in float32 against float64, or
FLOOR if that is more. Attention weights are probabilities: FLOOR.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from samples.models import make_model_of_shape, padded_batch

import roberta_c
from roberta_c.errors import InputError, ModelFileError
from roberta_c.kernels import available_isas

FLOOR = 1e-5
HEADS = [
    "ForMaskedLM",
    "ForMultipleChoice",
    "ForQuestionAnswering",
    "ForSequenceClassification",
    "ForTokenClassification",
]
# hidden, heads, layers, feed-forward, positions, sequence lengths
SHAPES = [(36, 3, 2, 50, 64, [62, 1, 5, 17]), (128, 4, 3, 256, 130, [128, 31, 70, 2])]
FIELDS = ("logits", "start_logits", "end_logits")


def run_transformers(model, ids, mask):
    """The fields of transformers' output as float64 arrays; attentions are computed apart, without SDPA."""
    model.set_attn_implementation("eager")
    with torch.no_grad():
        output = model(
            torch.tensor(ids),
            attention_mask=torch.tensor(mask),
            output_attentions=True,
            output_hidden_states=True,
        )
    return {name: [part.double().numpy() for part in _parts(value)] for name, value in output.items()}


def _parts(value):
    return value if isinstance(value, tuple) else (value,)


def inputs_for(head, lengths):
    """Padded ids and mask; for multiple choice two choices a row."""
    ids, mask = padded_batch(np.random.default_rng(1), lengths, 997)
    if head == "ForMultipleChoice":
        return ids.reshape(-1, 2, ids.shape[1]), mask.reshape(-1, 2, ids.shape[1])
    return ids, mask


@pytest.mark.parametrize("family", ["roberta", "xlm-roberta"])
@pytest.mark.parametrize("shape", SHAPES, ids=["hidden 36", "hidden 128"])
@pytest.mark.parametrize("head", HEADS)
def test_logits_states_and_attentions(head, shape, family, model_folder):
    made = make_model_of_shape(model_folder / f"{family} {head} {shape[0]}", shape, family, head)
    ids, mask = inputs_for(head, shape[-1])
    single = run_transformers(made.model, ids, mask)
    double = run_transformers(copy.deepcopy(made.model).double(), ids, mask)
    kept = mask.reshape(-1, mask.shape[-1]) > 0  # which tokens of each sequence are not padding
    for isa in available_isas():
        auto_class = getattr(roberta_c, f"AutoModel{head}")
        ours = auto_class.from_pretrained(made.folder, isa=isa, num_threads=2)
        assert type(ours).__name__ == type(made.model).__name__
        output = ours(ids, attention_mask=mask, output_attentions=True, output_hidden_states=True)
        assert list(output) == list(double), "the same fields in the same order"
        assert output.loss is None
        for name, expected in double.items():
            for index, values in enumerate(expected):
                found = _parts(output[name])[index]
                assert found.shape == values.shape, name
                theirs = single[name][index]
                if name == "attentions":  # rows of padding are unspecified
                    rows = np.broadcast_to(kept[:, None, :, None], values.shape)
                    assert np.abs(found - values)[rows].max() <= FLOOR, (isa, index)
                    assert not found[~rows].any()
                    continue
                real = np.ones(values.shape, bool) if values.shape[:2] != kept.shape else kept
                assert name not in FIELDS or values[real].std() > 0.05, "nearly constant: proves nothing"
                bound = max(2 * np.abs(theirs - values)[real].max(), FLOOR)
                assert np.abs(found - values)[real].max() <= bound, (isa, name, index)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize("head", HEADS)
def test_same_bits_alone_and_padded(head, dtype, model_folder):
    """A text alone, ragged, has the bits that it has in a padded batch, in logits and attention weights."""
    made = make_model_of_shape(model_folder / f"bits {head} {dtype}", SHAPES[0], "roberta", head)
    ids, mask = inputs_for(head, [62, 1, 5, 17])
    ours = getattr(roberta_c, f"AutoModel{head}").from_pretrained(made.folder, dtype=dtype, num_threads=2)
    other = getattr(roberta_c, f"AutoModel{head}").from_pretrained(made.folder, dtype=dtype, num_threads=1)
    padded = ours(ids, attention_mask=mask, output_attentions=True)
    for row in range(len(ids)):
        if head == "ForMultipleChoice":
            alone = [[choice[m > 0].tolist() for choice, m in zip(ids[row], mask[row], strict=True)]]
            assert np.array_equal(other(alone).logits[0], padded.logits[row])
            continue
        alone = other([ids[row][mask[row] > 0].tolist()], output_attentions=True)
        for name in ("logits", "start_logits", "end_logits"):
            if name in padded:
                found, expected = alone[name][0], padded[name][row]
                if head != "ForSequenceClassification":
                    expected = expected[mask[row] > 0]
                assert np.array_equal(found, expected), name
        places = np.flatnonzero(mask[row])
        for found, expected in zip(alone.attentions, padded.attentions, strict=True):
            assert np.array_equal(found[0], expected[row][:, places[:, None], places])


def test_multiple_choice_of_nothing(model_folder):
    """No question, and questions whose choices have no token: the errors and results of other heads."""
    made = make_model_of_shape(model_folder / "no choices", SHAPES[0], "roberta", "ForMultipleChoice")
    ours = roberta_c.AutoModelForMultipleChoice.from_pretrained(made.folder)
    assert ours(np.zeros((0, 2, 5), int)).logits.shape == (0, 2)
    with pytest.raises(InputError, match="input_ids: found no tokens in row 0"):
        ours(np.zeros((3, 2, 0), int))


def test_question_answering_never_chooses_padding(model_folder):
    made = make_model_of_shape(model_folder / "qa padding", SHAPES[0], "roberta", "ForQuestionAnswering")
    ids, mask = padded_batch(np.random.default_rng(2), [62, 3], 997)
    output = roberta_c.AutoModelForQuestionAnswering.from_pretrained(made.folder)(ids, mask)
    assert (output.start_logits[mask == 0] == -10000).all()
    assert output.end_logits[1].argmax() < 3


@pytest.mark.parametrize("tied", [True, False])
def test_decoder_tied_or_its_own(tied, model_folder):
    """Without `tie_word_embeddings` the decoder has weights of its own; tied, a file may omit the copies."""
    made = make_model_of_shape(
        model_folder / f"tied {tied}", SHAPES[0], "roberta", "ForMaskedLM", tie_word_embeddings=tied
    )
    ids, mask = padded_batch(np.random.default_rng(3), [20, 9], 997)
    expected = run_transformers(made.model, ids, mask)["logits"][0]
    path = made.folder / "pytorch_model.bin"
    state = torch.load(path)
    if tied:
        for name in ("lm_head.decoder.weight", "lm_head.decoder.bias"):
            del state[name]
        torch.save(state, path)
    ours = roberta_c.AutoModelForMaskedLM.from_pretrained(made.folder)
    assert np.abs(ours(ids, mask).logits - expected)[mask > 0].max() <= 2 * FLOOR
    assert ours.load_report.unexpected == ()
    assert ours.num_parameters() == made.model.num_parameters()
    if not tied:
        del state["lm_head.decoder.weight"]
        torch.save(state, path)
        with pytest.raises(ModelFileError, match=r"masked language modelling head: tensors not found"):
            roberta_c.AutoModelForMaskedLM.from_pretrained(made.folder)


def test_logits_of_some_tokens_alone(model_folder):
    made = make_model_of_shape(model_folder / "some", SHAPES[1], "roberta", "ForMaskedLM")
    ids, mask = padded_batch(np.random.default_rng(4), [128, 31, 70], 997)
    ours = roberta_c.AutoModelForMaskedLM.from_pretrained(made.folder)
    logits = ours(ids, mask).logits
    ragged = [row[kept > 0].tolist() for row, kept in zip(ids, mask, strict=True)]
    places = [[0, 5, 127], [], [69]]
    found = ours.lm_head(ours.states_at(ragged, places))
    expected = [logits[row, place] for row, chosen in enumerate(places) for place in chosen]
    assert np.array_equal(found, expected)
    for wrong, message in (([[0], [], [-1]], r"places\[2\]: found \[-1\]"), ([[0]], "places: found 1 lists")):
        with pytest.raises(InputError, match=message):
            ours.states_at(ragged, wrong)


@pytest.mark.parametrize("head", HEADS)
def test_another_models_file_is_an_error_naming_its_heads(head, model_folder):
    made = make_model_of_shape(model_folder / "base only", SHAPES[0], "roberta", "Model")
    with pytest.raises(ModelFileError, match=r"head: tensors not found: .*; heads found in the file: none$"):
        getattr(roberta_c, f"AutoModel{head}").from_pretrained(made.folder)
