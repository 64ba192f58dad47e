"""transformers' `logging`."""

from __future__ import annotations

import logging

import huggingface_hub.utils
import numpy as np
import pytest
import transformers

import roberta_c
from roberta_c.errors import InputError, MissingNameError


@pytest.fixture(autouse=True)
def _unchanged_afterwards():
    logger = logging.getLogger("roberta_c")
    before = logger.level
    yield
    logger.setLevel(before)
    roberta_c.logging.enable_progress_bar()


def test_the_names_are_transformers():
    for name in roberta_c.logging.__all__:
        assert hasattr(transformers.logging, name), name
        if name.isupper():
            assert getattr(roberta_c.logging, name) == getattr(transformers.logging, name)


@pytest.mark.parametrize("name", ["debug", "info", "warning", "error"])
def test_verbosity_is_the_level_of_the_packages_logger(name):
    getattr(roberta_c.logging, f"set_verbosity_{name}")()
    level = getattr(logging, name.upper())
    assert roberta_c.logging.get_verbosity() == level == logging.getLogger("roberta_c").level
    assert logging.getLogger("roberta_c.model.pretrained").getEffectiveLevel() == level


def test_errors_alone(caplog):
    config = roberta_c.RobertaConfig
    config(pad_token_id=None)
    assert len(caplog.records) == 1
    roberta_c.logging.set_verbosity_error()
    config(pad_token_id=None)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("level", [-1, True, "info", None, 1.5])
def test_what_is_no_level(level):
    with pytest.raises(InputError, match=r"verbosity: found .*, expected a level"):
        roberta_c.logging.set_verbosity(level)


def test_loggers():
    assert roberta_c.logging.get_logger() is logging.getLogger("roberta_c")
    assert roberta_c.logging.get_logger("a.b") is logging.getLogger("a.b")


def test_progress_bars_are_the_clients():
    assert not huggingface_hub.utils.are_progress_bars_disabled()
    roberta_c.logging.disable_progress_bar()
    assert huggingface_hub.utils.are_progress_bars_disabled()
    roberta_c.logging.enable_progress_bar()
    assert not huggingface_hub.utils.are_progress_bars_disabled()


def test_handlers_and_propagation(caplog):
    seen = logging.Handler()
    seen.emit = lambda record: records.append(record.getMessage())
    records: list[str] = []
    logger = roberta_c.logging.get_logger()
    roberta_c.logging.add_handler(seen)
    roberta_c.logging.disable_propagation()
    try:
        logger.warning("here alone")
        assert (records, caplog.messages) == (["here alone"], [])
    finally:
        roberta_c.logging.remove_handler(seen)
        roberta_c.logging.enable_propagation()
    logger.warning("there")
    assert (records, caplog.messages) == (["here alone"], ["there"])


def test_what_is_not_here_says_what_to_do():
    for name in roberta_c.logging.MISSING_NAMES:
        assert hasattr(transformers.logging, name)
        with pytest.raises(MissingNameError, match=rf"^logging\.{name}: found no such name, expected "):
            getattr(roberta_c.logging, name)
    with pytest.raises(AttributeError, match="has no attribute 'other'"):
        _ = roberta_c.logging.other
    with pytest.raises(InputError, match=r"^name: found 5, expected a str or None"):
        roberta_c.logging.get_logger(5)
    for function in (roberta_c.logging.add_handler, roberta_c.logging.remove_handler):
        with pytest.raises(InputError, match=r"^handler: found 5, expected a handler"):
            function(5)
    roberta_c.logging.set_verbosity(np.int64(logging.ERROR))
    assert roberta_c.logging.get_verbosity() == logging.ERROR
