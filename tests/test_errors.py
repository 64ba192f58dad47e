"""The form of messages: one short line for any value."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from roberta_c.errors import InputError, ModelFileError, ResourceError, mismatch, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb", r"'a\nb'"),
        (np.float32(1.5), "np.float32(1.5)"),
        (np.array(7), "array(7)"),
        (np.zeros((2, 3)), "a ndarray of shape (2, 3)"),
        (torch.zeros(2), "a Tensor of shape torch.Size([2])"),
        (10**5000, "a int that cannot be shown"),
        ("x" * 100, "'" + "x" * 78 + "…"),
        (np.ndarray, "<class 'numpy.ndarray'>"),
    ],
    ids=lambda value: str(type(value)),
)
def test_shown(value, text):
    assert shown(value) == text


def test_a_message_is_one_line_whatever_is_in_it():
    assert mismatch("a\nb\ud800", "é\u2028", "z") == r"a\nb\ud800: found é\u2028, expected z"


def test_objects_whose_repr_or_shape_raises():
    class Broken:
        def __repr__(self):
            raise RuntimeError

        @property
        def shape(self):
            raise RuntimeError

    assert shown(Broken()) == "a Broken that cannot be shown"
    assert mismatch("x", shown(np.int64(3)), "a str") == "x: found np.int64(3), expected a str"


def test_parts_of_a_message_that_are_long_or_cannot_be_text():
    assert mismatch("x", 10**5000, 3) == "x: found a int that cannot be shown, expected 3"
    message = mismatch("/folder" * 500 + "/config.json", "none", "one")
    assert message.startswith("/folder/folder")
    assert "…" in message
    assert message.endswith("folder/config.json: found none, expected one")
    assert len(message) < 600


def test_an_error_is_one_line_whatever_path_it_names():
    for kind in (ModelFileError, InputError, ResourceError):
        assert str(kind("a\nb/c: cannot be read")) == r"a\nb/c: cannot be read"
        message = str(kind("/folder" * 5000 + "/config.json: cannot be read"))
        assert len(message) < 1100
        for character in ("\udc80", "\n", "\U000f0000"):  # each is escaped by several characters
            assert len(str(kind(character * 4000))) < 1100
        assert message.startswith("/folder")
        assert message.endswith("/config.json: cannot be read")
        again = pickle.loads(pickle.dumps(kind("a\nb")))
        assert (type(again), again.args) == (kind, ("a\nb",))
