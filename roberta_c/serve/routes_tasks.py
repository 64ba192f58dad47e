"""Routes of tasks that TEI does not have: entities, answers, masked tokens, labels of the caller's choice.

Texts are in `inputs`, one or a list of them; options at the root or, as Hugging Face's clients send them, in
`parameters`. Answers are those of the offline pipelines: of one text its result, of a list a list.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .call import Call
from .endpoint import json_text
from .failures import empty, validation
from .json_body import Fields
from .reading import left_of, long_text_of, model_name, texts_of
from .served_model import FILL_MASK, NER, QA, ZERO_SHOT, Asked, Encoded
from .service import Service

_Read = Callable[[Fields, str], Any]

# What a client may ask for, so that one request does not keep the process from all others.
MAX_TOP_K = 1000
MAX_ANSWER_TOKENS = 512
MAX_RESULTS = 100_000  # answers of a request
MAX_SEQUENCES = 20_000_000  # characters of the texts with their masks filled
MAX_OPTION_TEXT, MAX_OPTION_CHARACTERS = 2000, 50_000
# Windows of fewer tokens are taken of contexts of that many characters in all.
SHORT_WINDOW, SHORT_TEXTS = 64, 20_000
DEFAULT_WINDOW = 384  # of question answering


async def ner(service: Service, call: Call, fields: Fields) -> str:
    """Entities of each text: [{entity_group, score, word, start, end}]."""
    options = _options(
        fields,
        {"aggregation_strategy": Fields.text, "ignore_labels": _texts_tuple},
    )
    options = {"aggregation_strategy": "simple", **options}
    texts, is_batch = texts_of(fields)
    return await _answered(service, call, fields, NER, texts, is_batch, options)


async def qa(service: Service, call: Call, fields: Fields) -> str:
    """Answers of each question: {score, start, end, answer}, or with top_k above 1 a list of these.

    A request has `question` and `context`, or `inputs`: an object with these, or a list of such objects.
    """
    options = _options(
        fields,
        {
            "top_k": _at_most(MAX_TOP_K),
            "max_answer_len": _at_most(MAX_ANSWER_TOKENS),
            "max_question_len": Fields.count,
            "max_seq_len": Fields.count,
            "doc_stride": Fields.count,
            "handle_impossible_answer": _flag,
            "align_to_words": _flag,
        },
    )
    given: Any = fields.raw("inputs") if fields.has("inputs") else fields.values
    is_batch = isinstance(given, list)
    items = []
    if is_batch:
        fields.check_count(given)
    for index, one in enumerate(given if is_batch else [given]):
        place = f"inputs[{index}]" if is_batch else "inputs"
        if not isinstance(one, Mapping):
            raise fields.wrong(place, one, "an object with question and context")
        inner = Fields(one, f"{place}." if fields.has("inputs") else "")
        item = {name: inner.text(name) for name in ("question", "context")}
        if not all(text.strip() for text in item.values()):
            raise empty("question` and `context")
        items.append(item)
    if not items:
        raise empty("inputs")
    _check_windows(options, items)
    _check_size("top_k", options.get("top_k", 1) * len(items), MAX_RESULTS)
    return await _answered(service, call, fields, QA, items, is_batch, options)


async def fill_mask(service: Service, call: Call, fields: Fields) -> str:
    """Tokens for the mask of each text: [{score, token, token_str, sequence}]."""
    options = _options(fields, {"top_k": _at_most(MAX_TOP_K), "targets": _targets})
    texts, is_batch = texts_of(fields)
    count = len(options["targets"]) if isinstance(options.get("targets"), tuple) else options.get("top_k", 5)
    _check_size("top_k", count * sum(map(len, texts)), MAX_SEQUENCES)
    return await _answered(service, call, fields, FILL_MASK, texts, is_batch, options)


async def zero_shot(service: Service, call: Call, fields: Fields) -> str:
    """Labels of each text: {sequence, labels, scores}, best first."""
    options = _options(
        fields,
        {"candidate_labels": _labels, "hypothesis_template": Fields.text, "multi_label": _flag},
    )
    if "candidate_labels" not in options:
        fields.raw("candidate_labels")
    texts, is_batch = texts_of(fields)
    labels = options["candidate_labels"]
    if not labels:
        raise empty("candidate_labels")
    return await _answered(service, call, fields, ZERO_SHOT, texts, is_batch, options, len(labels))


ROOT_OF_TASK: dict[str, Callable[[Service, Call, Fields], Awaitable[str]]] = {
    "token_classifier": ner,
    "question_answering": qa,
    "fill_mask": fill_mask,
}


def _options(fields: Fields, readers: Mapping[str, _Read]) -> dict[str, Any]:
    """The options that a request gives, at the root or in `parameters`."""
    parameters = fields.inside("parameters")
    options = {}
    for name, read in readers.items():
        source = fields if fields.has(name) else parameters
        if source.has(name):
            options[name] = read(source, name)
    texts = [text for value in options.values() for text in (value if isinstance(value, tuple) else (value,))]
    sizes = [len(text) for text in texts if isinstance(text, str)]
    if sum(sizes) > MAX_OPTION_CHARACTERS or max(sizes, default=0) > MAX_OPTION_TEXT:
        raise validation(
            f"options must have at most {MAX_OPTION_TEXT} characters each and {MAX_OPTION_CHARACTERS} in all"
        )
    return options


def _at_most(most: int) -> _Read:
    def read(fields: Fields, name: str) -> int | None:
        value = fields.count(name)
        if value is not None and value > most:
            raise validation(f"{name}: found {value}, expected at most {most}", name)
        return value

    return read


def _check_size(name: str, size: int, most: int) -> None:
    if size > most:
        raise validation(f"{name}: found one whose answer would be too large, expected a smaller one", name)


def _check_windows(options: Mapping[str, Any], items: list[Any]) -> None:
    """Raise Failure (422) for windows that overlap so far that a context is read many times."""
    length, stride = options.get("max_seq_len", DEFAULT_WINDOW), options.get("doc_stride")
    if stride is not None and stride > length // 2:
        raise validation(f"doc_stride: found {stride}, expected at most half of max_seq_len ({length})")
    if length < SHORT_WINDOW and sum(len(item["context"]) for item in items) > SHORT_TEXTS:
        expected = f"at least {SHORT_WINDOW} for contexts of more than {SHORT_TEXTS} characters"
        raise validation(f"max_seq_len: found {length}, expected {expected}", "max_seq_len")


def _flag(fields: Fields, name: str) -> bool:
    return fields.flag(name, False)


def _texts_tuple(fields: Fields, name: str) -> tuple[str, ...]:
    return tuple(fields.texts(name))


def _targets(fields: Fields, name: str) -> Any:
    return fields.text(name) if isinstance(fields.raw(name), str) else tuple(fields.texts(name))


def _labels(fields: Fields, name: str) -> tuple[str, ...]:
    """The labels of a list, or of a string with commas between them."""
    if isinstance(fields.raw(name), str):
        return tuple(label.strip() for label in fields.text(name).split(",") if label.strip())
    return tuple(fields.texts(name))


async def _answered(
    service: Service,
    call: Call,
    fields: Fields,
    task: str,
    items: list[Any],
    is_batch: bool,
    options: dict[str, Any],
    texts_of_item: int = 1,
) -> str:
    model = service.model_for(call, task, model_name(fields))
    long_text = long_text_of(fields, service.settings)
    asked = Asked(task, items, long_text, options, left_of(fields))

    def make(found: list[Any], encoded: Encoded) -> str:
        results = [encoded.steps.result(one) for one in found]
        return json_text(results if is_batch else results[0])

    text: str = await service.answer(call, model, asked, is_batch, make, texts_of_item)
    return text
