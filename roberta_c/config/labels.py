"""The labels of a config: num_labels, id2label and label2id, checked and brought into agreement."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Any

from ..errors import shown
from .fields import BadField, is_integer
from .plain_values import plain_value

logger = logging.getLogger(__name__)

MAX_LABELS = 2**20


def agreed_labels(num_labels: Any, id2label: Any, label2id: Any) -> tuple[dict[int, str], dict[str, int]]:
    """`id2label` and `label2id`, each completed from the other two arguments. None: not given.

    Default names (LABEL_3) never contradict: they are dropped if the other arguments say something else.
    Raises BadField if the arguments contradict each other.
    """
    num_labels = plain_value(num_labels)
    if num_labels is not None and not (is_integer(num_labels) and 0 <= num_labels <= MAX_LABELS):
        raise BadField("num_labels", num_labels, f"an integer from 0 to {MAX_LABELS}")
    label_by_id = None if id2label is None else _checked_id2label(id2label)
    id_by_label = None if label2id is None else _checked_label2id(label2id)
    if num_labels is not None:
        if label_by_id is not None and len(label_by_id) != num_labels:
            if not _has_default_names(label_by_id.values()):
                raise BadField("num_labels", num_labels, f"{len(label_by_id)}, the length of id2label")
            logger.warning(
                "id2label: dropped its %d default names, because num_labels is %d",
                len(label_by_id),
                num_labels,
            )
            label_by_id = None
        if id_by_label is not None and label_by_id is None and len(id_by_label) != num_labels:
            if not _has_default_names(id_by_label):
                raise BadField("num_labels", num_labels, f"{len(id_by_label)}, the length of label2id")
            id_by_label = None
    if label_by_id is None:
        if id_by_label is None:
            count = 2 if num_labels is None else num_labels
            label_by_id = {index: f"LABEL_{index}" for index in range(count)}
        else:
            label_by_id = {index: label for label, index in id_by_label.items()}
            label_by_id = dict(sorted(label_by_id.items()))
            if list(label_by_id) != list(range(len(id_by_label))):
                raise BadField("label2id", label2id, f"the ids 0 to {len(id_by_label) - 1}, each once")
    if id_by_label is not None:
        contradicted = [label for label, index in id_by_label.items() if label_by_id.get(index) != label]
        if not contradicted:
            return label_by_id, id_by_label
        if not _has_default_names(id_by_label):
            label = contradicted[0]
            of_id2label = shown(label_by_id.get(id_by_label[label]))
            expected = f"the label that id2label has for this id ({of_id2label}); set id2label to change both"
            raise BadField("label2id", {label: id_by_label[label]}, expected)
        logger.warning("label2id: ignored, because its default names differ from the labels of id2label")
    return label_by_id, {label: index for index, label in label_by_id.items()}


def _checked_id2label(id2label: Any) -> dict[int, str]:
    if not isinstance(id2label, dict):
        raise BadField("id2label", id2label, "a map from ids to labels")
    label_by_id = {
        _label_id("id2label", key): _checked_label("id2label", label) for key, label in id2label.items()
    }
    if len(label_by_id) != len(id2label) or sorted(label_by_id) != list(range(len(label_by_id))):
        raise BadField("id2label", id2label, f"the ids 0 to {len(id2label) - 1}, each once")
    return dict(sorted(label_by_id.items()))


def _checked_label2id(label2id: Any) -> dict[str, int]:
    if not isinstance(label2id, dict):
        raise BadField("label2id", label2id, "a map from labels to ids")
    return {
        _checked_label("label2id", label): _label_id("label2id", index) for label, index in label2id.items()
    }


def _label_id(field: str, value: Any) -> int:
    # The keys of a JSON object are strings. Some files write the ids of label2id as strings as well.
    number = plain_value(value)
    if isinstance(number, str) and re.fullmatch(r"[0-9]{1,7}", number):
        number = int(number)
    if not is_integer(number) or not 0 <= number < MAX_LABELS:
        raise BadField(f"an id in {field}", value, f"an integer from 0 to {MAX_LABELS - 1}")
    return int(number)


def _checked_label(field: str, label: Any) -> str:
    # A lone surrogate cannot be encoded as UTF-8: it could not be printed or written.
    plain = plain_value(label)
    if not isinstance(plain, str) or any("\ud800" <= character <= "\udfff" for character in plain):
        raise BadField(f"a label in {field}", label, "text")
    return plain


def _has_default_names(labels: Iterable[str]) -> bool:
    """Whether every label is a default name, such as LABEL_3."""
    return all(re.fullmatch(r"LABEL_[0-9]+", label) for label in labels)
