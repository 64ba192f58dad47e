"""From logits to scores: torch's functions by name, and the caller's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from roberta_c.errors import InputError
from roberta_c.sentence.score_activations import apply_activation, as_activation

CLASSES = {
    "identity": torch.nn.Identity(),
    "sigmoid": torch.nn.Sigmoid(),
    "softmax": torch.nn.Softmax(dim=1),
    "tanh": torch.nn.Tanh(),
    "relu": torch.nn.ReLU(),
    "logsigmoid": torch.nn.LogSigmoid(),
    "logsoftmax": torch.nn.LogSoftmax(dim=-1),
}


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("labels", [1, 3])
def test_each_is_torchs(name, labels):
    logits = np.random.default_rng(0).normal(0, 5, (50, labels)).astype(np.float32)
    logits[0] = 200.0, *[-200.0] * (labels - 1)
    expected = CLASSES[name](torch.tensor(logits)).numpy()
    module = type(CLASSES[name]).__module__
    for given in (
        name,
        name.upper(),
        CLASSES[name],
        type(CLASSES[name]),
        f"{module}.{type(CLASSES[name]).__name__}",
    ):
        activation = as_activation(given)
        scores = apply_activation(activation, logits)
        assert scores.dtype == np.float32
        np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=1e-6)
        assert repr(activation) == f"{type(CLASSES[name]).__name__}()"
        assert as_activation(activation.dotted_name) == activation
    assert np.array_equal(np.concatenate([apply_activation(activation, row[None]) for row in logits]), scores)


def test_torchs_functions_and_the_callers_own():
    logits = np.array([[0.0], [2.0]], np.float32)
    expected = torch.sigmoid(torch.tensor(logits)).numpy()
    for given in (torch.sigmoid, torch.nn.functional.sigmoid, lambda x: 1 / (1 + np.exp(-x))):
        np.testing.assert_allclose(apply_activation(as_activation(given), logits), expected, atol=1e-7)
    assert apply_activation(as_activation(lambda x: x[:, 0] > 1), logits).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    "function",
    [lambda x: x[0], lambda x: None, lambda x: x.astype(str), lambda x: x[:, None], lambda x: x[:, :0]],
)
def test_a_result_of_another_shape_or_kind(function):
    with pytest.raises(InputError, match="expected numbers of shape"):
        apply_activation(as_activation(function), np.zeros((2, 3), np.float32))
