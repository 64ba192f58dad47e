"""names.py: names and shapes of tensors, against the models of transformers."""

from __future__ import annotations

import pytest
import transformers
from samples.models import CONFIGS

from roberta_c.checkpoint import names
from roberta_c.config import RobertaConfig
from roberta_c.errors import ModelFileError

SIZES = {
    "vocab_size": 50,
    "hidden_size": 8,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 20,
    "type_vocab_size": 2,
}
HEADS = {
    "ForSequenceClassification": lambda config, _: names.classification_head_shapes(config),
    "ForTokenClassification": lambda config, _: names.classifier_shapes(config, 5),
    "ForMultipleChoice": lambda config, _: names.classifier_shapes(config, 1),
    "ForQuestionAnswering": lambda config, _: names.question_answering_head_shapes(config),
    "ForMaskedLM": names.lm_head_shapes,
}


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("head", HEADS)
def test_every_tensor_of_a_model_has_its_name_and_shape(head, tied):
    labels = 2 if head == "ForQuestionAnswering" else 5
    theirs = CONFIGS["roberta"](**SIZES, num_labels=labels, tie_word_embeddings=tied)
    model = getattr(transformers, f"Roberta{head}")(theirs)
    stored = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    stored = {name: shape for name, shape in stored.items() if not name.endswith("_ids")}
    ours = RobertaConfig(**SIZES, num_labels=labels, tie_word_embeddings=tied)
    canonical = names.canonical_names(stored, "file")
    shapes = names.encoder_shapes(ours) | HEADS[head](ours, canonical)
    if head == "ForMultipleChoice":  # the one head that reads the pooler
        shapes |= names.pooler_shapes(ours)
    found = {names.transformers_name(name, True): shape for name, shape in shapes.items()}
    copies = {*names.TIED, *names.TIED.values()} if head == "ForMaskedLM" else ()
    assert found == {name: shape for name, shape in stored.items() if name in found or name not in copies}
    assert len(names.heads_present(canonical)) == 1


def test_the_pooler_belongs_to_the_base_model():
    model = transformers.RobertaModel(CONFIGS["roberta"](**SIZES))
    shapes = names.pooler_shapes(RobertaConfig(**SIZES))
    stored = model.state_dict()
    assert {name: tuple(stored[names.transformers_name(name, False)].shape) for name in shapes} == shapes
    assert names.heads_present(stored) == []


@pytest.mark.parametrize(
    ("stored", "canonical"),
    [
        ("module.roberta.encoder.layer.0.output.LayerNorm.gamma", "encoder.layer.0.output.LayerNorm.weight"),
        ("roberta.embeddings.LayerNorm.beta", "embeddings.LayerNorm.bias"),
        ("encoder.layer.3.output.dense.beta", "encoder.layer.3.output.dense.beta"),
        ("classifier.weight", "classifier.weight"),
    ],
)
def test_older_names_mean_the_same_tensors(stored, canonical):
    assert names.canonical_name(stored) == canonical
    both = [stored, "roberta." + canonical]
    if stored not in both[1:]:
        with pytest.raises(ModelFileError, match=r"file: found both '.*' and '.*', expected one of them"):
            names.canonical_names(both, "file")


def test_the_decoder_may_have_its_tensors_under_either_name():
    (weight_copy, weight), (bias_copy, bias) = names.TIED.items()
    assert names.decoder_names(True, {bias, bias_copy}) == (weight, bias)
    assert names.decoder_names(True, {bias_copy}) == (weight, bias_copy)
    assert names.decoder_names(True, {}) == (weight, bias)
    assert names.decoder_names(False, {bias}) == (weight_copy, bias)
    assert names.decoder_names(False, {bias, bias_copy}) == (weight_copy, bias_copy)
