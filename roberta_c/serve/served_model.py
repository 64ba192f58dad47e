"""A loaded model as a server sees it: which tasks it does, and how a request's texts become windows.

What is done with a text here is what the pipelines and sentence/ do offline, by the same code (Steps); only
batches are formed elsewhere. So answers have the bits of an offline call.
"""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import InputError, mismatch
from ..pipelines.options import ERROR
from ..pipelines.stepwise import Steps
from ..pipelines.windows import Window
from ..sentence.pair_encoding import PairRow
from ..sentence.pair_scoring import PairOptions, PairScoring
from .queue import Group, key_of

EMBED, EMBED_ALL, SPARSE, MULTI = "embed", "embed_all", "embed_sparse", "embed_multi"
PREDICT, RERANK = "predict", "rerank"
NER, QA, FILL_MASK, ZERO_SHOT = "ner", "qa", "fill-mask", "zero-shot"
# Those whose metrics are te_embed_… and te_predict_….
EMBEDDING_TASKS = (EMBED, EMBED_ALL, SPARSE, MULTI)
# Options of requests → calls that are kept ready for the next request with the same options.
_KEPT = 128
_MAX_KEY = 1000  # characters of such options

MakeSteps = Callable[..., Steps]


class Asked(NamedTuple):
    """What a request asks a model for.

    items: texts; pairs (first, second); lists of token ids; {"question", "context"}. options: of the task,
    with values that can be keys of a dict. left: whether long texts lose their beginnings. most_of_second:
    how many tokens of the second text of a pair are read, if not all.
    """

    task: str
    items: Sequence[Any]
    long_text: str
    options: dict[str, Any]
    left: bool = False
    most_of_second: int | None = None


class Encoded(NamedTuple):
    """A request's rows and the windows of each, and how they are computed.

    keys: of all windows, for the queue. cut: the indexes of pairs that `most_of_second` has cut.
    """

    steps: Steps
    group: Group
    rows: list[Any]
    windows: list[list[Window]]
    keys: list[Hashable]
    cut: frozenset[int] = frozenset()

    @property
    def tokens(self) -> list[int]:
        """The tokens of each row that are computed."""
        return [sum(len(window.ids) for window in of_row) for of_row in self.windows]

    def results(self, outputs: Sequence[Any]) -> list[Any]:
        """The prediction of each row, from the outputs of all windows in their order."""
        predictions, first = [], 0
        for row, of_row in zip(self.rows, self.windows, strict=True):
            last = first + len(of_row)
            predictions.append(self.steps.prediction(row, of_row, outputs[first:last]))
            first = last
        return predictions


@dataclass
class ServedModel:
    """One model, by the name that requests call it.

    kind: "embedding", "classifier", "reranker", "token_classifier", "question_answering" or "fill_mask".
    about: what TEI's /info says of the kind. model: the loaded one, which has `config`. make: task → what
    makes its Steps from a request's options. prompts, default_prompt: of texts that are embedded. width: of
    vectors; 0: there are none. max_tokens: of a text. sha: the Hub's commit, or None.
    """

    name: str
    path: str
    kind: str
    about: dict[str, Any]
    model: Any
    tokenizer: Any
    make: dict[str, MakeSteps]
    max_tokens: int
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt: str = ""
    width: int = 0
    sha: str | None = None

    def __post_init__(self) -> None:
        self._ready: OrderedDict[Any, Steps] = OrderedDict()
        self._lock = threading.Lock()
        self._left_tokenizer = copy.copy(self.tokenizer)
        self._left_tokenizer.truncation_side = "left"
        self._max_id = len(self.tokenizer)

    def does(self, task: str) -> bool:
        """Whether the model does a task."""
        return task in self.make

    @property
    def about_labels(self) -> list[str]:
        """The names of the model's labels, in their order."""
        labels = self.model.config.id2label
        return [labels[index] for index in range(self.model.config.num_labels)]

    def prompt(self, name: str | None) -> str:
        """The prompt of this name; None: the default one. Raises InputError."""
        if name is None:
            return self.default_prompt
        if name not in self.prompts:
            known = ", ".join(self.prompts) or "none"
            raise InputError(f"`prompt_name` must be one of the model's prompts: {known}")
        return self.prompts[name]

    def encode(self, asked: Asked) -> Encoded:
        """A request's windows. Raises InputError for a text that cannot be taken, ResourceError."""
        tokenizer = self._left_tokenizer if asked.left else self.tokenizer
        cut: frozenset[int] = frozenset()
        if asked.task == RERANK:
            asked, cut = self._with_beginnings(asked)
            steps, key = self._pair_steps(asked, tokenizer), "pairs"
        else:
            key = self._key(asked)
            steps = self._steps(key, asked, tokenizer)
        rows: list[Any] = []
        windows: list[list[Window]] = [[] for _ in asked.items]
        texts: list[int] = []
        for index, item in enumerate(asked.items):
            name = f"inputs[{index}]"
            if isinstance(item, list):
                text, window = self._of_ids(item, name, asked, steps)
                rows.append(steps.row(text, name))
                windows[index] = [window]
                continue
            if isinstance(item, tuple) and asked.task != RERANK:
                item = {"text": item[0], "text_pair": item[1]}
            rows.append(steps.row(item, name))
            texts.append(index)
        of_texts = steps.windows([rows[index] for index in texts], lambda place: f"inputs[{texts[place]}]")
        for index, of_row in zip(texts, of_texts, strict=True):
            windows[index] = of_row
        group = Group((self.name, self._computation(asked, key)), self.name, steps.outputs)
        keys = [key_of(window) for of_row in windows for window in of_row]
        return Encoded(steps, group, rows, windows, keys, cut)

    def _with_beginnings(self, asked: Asked) -> tuple[Asked, frozenset[int]]:
        """Pairs whose second texts have at most `most_of_second` tokens, and the indexes of those cut."""
        most = asked.most_of_second
        if most is None or most >= self.max_tokens:
            return asked, frozenset()
        encodings = self.tokenizer([second for _, second in asked.items], add_special_tokens=False).encodings
        items, cut = [], set()
        for index, ((first, second), encoding) in enumerate(zip(asked.items, encodings, strict=True)):
            if len(encoding.ids) > most:
                second = second[: encoding.offsets[most - 1][1]]
                cut.add(index)
            items.append((first, second))
        return asked._replace(items=items), frozenset(cut)

    def _of_ids(self, ids: list[int], name: str, asked: Asked, steps: Steps) -> tuple[str, Window]:
        """The text and the window of ids, which TEI decodes and encodes again, without special tokens."""
        for token_id in ids:
            if token_id >= self._max_id:
                expected = f"an id of the vocabulary, below {self._max_id}"
                raise InputError(mismatch(name, f"the id {token_id}", expected))
        text = self.tokenizer.decode(ids, skip_special_tokens=False)
        with_prompt = asked.options.get("prompt", "") + text
        again: list[int] = self.tokenizer(with_prompt, add_special_tokens=False)["input_ids"]
        most = steps.max_tokens
        if not again:
            raise InputError(mismatch(name, "ids of no text", "ids of a text"))
        if len(again) <= most:
            return text, Window(again, n_tokens=len(again), span=(0, len(text)))
        if asked.long_text == ERROR:
            raise InputError(mismatch(name, f"{len(again)} tokens", f"at most {most}"))
        return text, Window(again[-most:] if asked.left else again[:most], True)

    def _key(self, asked: Asked) -> Any:
        return asked.task, asked.long_text, asked.left, tuple(sorted(asked.options.items()))

    def _computation(self, asked: Asked, key: Any) -> Any:
        """What must be equal for windows to be computed together. Of these tasks the model's outputs do not
        depend on the options, which say what is made of them."""
        return asked.task if asked.task in (NER, QA, ZERO_SHOT) else key

    def _steps(self, key: Any, asked: Asked, tokenizer: Any) -> Steps:
        with self._lock:
            if key in self._ready:
                self._ready.move_to_end(key)
                return self._ready[key]
        steps = self.make[asked.task](tokenizer=tokenizer, long_text=asked.long_text, **asked.options)
        if _size(key) > _MAX_KEY:  # a client's long options are not kept in memory for the next one
            return steps
        with self._lock:
            self._ready[key] = steps
            if len(self._ready) > _KEPT:
                self._ready.popitem(last=False)
        return steps

    def _pair_steps(self, asked: Asked, tokenizer: Any) -> Steps:
        """Steps for pairs with a common query, which is tokenized once."""
        options = PairOptions().changed(
            {"max_length": self.max_tokens, "long_text": asked.long_text, **asked.options}
        )
        pairs = [PairRow(*item) for item in asked.items]
        return Steps(PairScoring(self.model, tokenizer, options, pairs))


def _size(key: Any) -> int:
    """The characters in a key of options."""
    if isinstance(key, tuple):
        return sum(map(_size, key))
    return len(key) if isinstance(key, str) else 1
