"""A model's texts with their prompts → token ids, and the pipeline that embeds them."""

from __future__ import annotations

from typing import Any

from ..errors import InputError, mismatch
from ..pipelines.rows import plain_text
from ..tokenizer import BatchEncoding
from ..tokenizer.text_input import as_listed
from .embedder import Embedder, EmbedderOptions, TokenEmbedder
from .modules import VECTORS
from .prompts import HasPrompts, chosen_prompt
from .vector_settings import VectorSettings

# The role of a text → the names of prompts for it, the first of which the model has is taken.
ROLE_PROMPTS = {"query": ("query",), "document": ("document", "passage", "corpus")}


class PromptedTexts(HasPrompts, VectorSettings):
    """The prompts of a model, and what is done with texts that have one: token ids, and an Embedder."""

    default_prompt_name: str | None

    def embedder(
        self,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        output_value: str | None = VECTORS,
        normalize: bool = False,
        truncate_dim: int | None = None,
        long_text: str | None = None,
        stride: int | None = None,
        return_lengths: bool = False,
    ) -> Embedder:
        """The pipeline below `encode`, with its options. Raises InputError."""
        text = chosen_prompt(self.prompts, self.default_prompt_name, prompt, prompt_name)
        given = {
            "batch_size": batch_size,
            "prompt": text,
            "prompt_tokens": self._prompt_tokens(text),
            "output": output_value,
            "width": self._checked_width(self.truncate_dim if truncate_dim is None else truncate_dim),
            "normalize": normalize,
            "max_length": self.max_seq_length,
            "long_text": long_text,
            "stride": stride,
            "return_lengths": return_lengths,
        }
        options = EmbedderOptions().changed(given)
        return (Embedder if options.output == VECTORS else TokenEmbedder)(self._chain, options)

    def role_prompt_name(self, role: str) -> str | None:
        """The name of the prompt for "query" or "document"; None: the model has none."""
        return next((name for name in ROLE_PROMPTS[role] if name in self.prompts), None)

    def _prompt_tokens(self, prompt: str) -> int:
        """How many tokens of a text are its prompt's, not pooled: those of the prompt alone without `</s>`.

        As sentence-transformers counts them, also where the last of them joins the text's first characters.
        """
        if self._chain.pooling.include_prompt or not prompt:
            return 0
        ids = self.tokenizer([prompt], truncation=True, max_length=self.max_seq_length)["input_ids"][0]
        return len(ids) - (ids[-1] in self.tokenizer.all_special_ids)

    def preprocess(self, inputs: Any, prompt: str | None = None, **options: Any) -> BatchEncoding:
        """The ids and mask of texts, padded to the longest, truncated to max_seq_length: NumPy arrays.

        inputs: a str, or a list of str or of pairs. prompt: what stands before each text. options: of the
        tokenizer. The result has prompt_length if tokens of the prompt are not to be pooled. Raises
        InputError.
        """
        inputs = [inputs] if isinstance(inputs, str) else inputs
        before = chosen_prompt({}, None, prompt, None)
        if before:
            listed = as_listed(inputs, takes_tuples=True)
            if listed is None:
                raise InputError(mismatch("inputs", type(inputs).__name__, "a str or a list of str"))
            inputs = [before + plain_text(text, input_name(index)) for index, text in enumerate(listed)]
        skipped = self._prompt_tokens(before)
        settings = {"padding": True, "truncation": True, "max_length": self.max_seq_length}
        encoding: BatchEncoding = self.tokenizer(inputs, **{**settings, "return_tensors": "np", **options})
        if skipped:
            encoding["prompt_length"] = skipped
        return encoding

    def tokenize(self, texts: Any, **options: Any) -> BatchEncoding:
        """`preprocess`, under its older name."""
        return self.preprocess(texts, **options)


def input_name(index: int) -> str:
    """What messages call one of a caller's `inputs`."""
    return f"inputs[{index}]"
