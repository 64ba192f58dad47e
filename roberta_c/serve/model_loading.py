"""A folder or Hub repository → a ServedModel, by what its config.json and modules.json say it is."""

from __future__ import annotations

import logging
import re
from functools import partial
from pathlib import Path
from typing import Any

from ..config import load_config
from ..errors import HubError, InputError, ModelFileError, mismatch, shown
from ..files import hub
from ..files.file_sets import MODULE_LIST
from ..files.hub_options import HubOptions
from ..model import RobertaModel
from ..pipelines import pipeline
from ..pipelines.fill_mask import FillMaskPipeline
from ..pipelines.options import TRUNCATE, WINDOWS
from ..pipelines.stepwise import Steps
from ..pipelines.text_classification import TextClassificationPipeline, choose_function
from ..pipelines.zero_shot_classification import ZeroShotClassificationPipeline
from ..sentence.bge_m3_heads import BGEM3Heads
from ..sentence.bge_m3_outputs import Wanted
from ..sentence.cross_encoder import CrossEncoder
from ..sentence.modules import TOKENS, VECTORS
from ..sentence.pooling import Pooling
from ..sentence.sentence_transformer import SentenceTransformer
from .lexical import MultiEncoding, SpladeEncoding
from .served_model import (
    EMBED,
    EMBED_ALL,
    FILL_MASK,
    MULTI,
    NER,
    PREDICT,
    QA,
    RERANK,
    SPARSE,
    ZERO_SHOT,
    ServedModel,
)
from .settings import ServeSettings

logger = logging.getLogger(__name__)

# TEI's names of poolings → sentence-transformers'.
_POOLINGS = {"cls": "cls", "mean": "mean", "last-token": "lasttoken"}
# How a config's architecture ends → the pipeline of such models, its task here, and what /info calls it.
_PIPELINES = {
    "ForTokenClassification": ("token-classification", NER, "token_classifier"),
    "ForQuestionAnswering": ("question-answering", QA, "question_answering"),
    "ForMaskedLM": ("fill-mask", FILL_MASK, "fill_mask"),
}


def load_served_model(
    name: str,
    path: str,
    settings: ServeSettings,
    hub_options: HubOptions,
    dtype: str | None = None,
    num_threads: int | None = None,
) -> ServedModel:
    """The model in a folder or Hub repository. Raises as loading does: ModelFileError, HubError, …"""
    hub_options = hub.pinned(path, hub_options)
    config = load_config(path, hub_options)
    loading: dict[str, Any] = {
        "dtype": dtype,
        "num_threads": num_threads,
        "revision": hub_options.revision,
        "token": hub_options.token,
        "local_files_only": hub_options.local_files_only,
    }
    hub.resolve(path, MODULE_LIST, hub_options)
    ending = _ending(config.architectures)
    wants_vectors = settings.pooling in _POOLINGS
    if ending == "ForSequenceClassification" and not wants_vectors:
        served = _classifier(name, path, {**loading, "cache_folder": hub_options.cache_dir})
    elif ending in _PIPELINES and not wants_vectors:
        served = _task_model(name, path, ending, settings, {**loading, "cache_dir": hub_options.cache_dir})
    else:
        if settings.pooling == "splade":
            raise InputError(mismatch("pooling", "'splade'", "a model with a head for masked tokens"))
        served = _embedder(name, path, settings, hub_options, loading)
    served.sha = hub_options.revision if not Path(path).is_dir() else None
    return served


def _ending(architectures: Any) -> str:
    for architecture in architectures or []:
        found = re.fullmatch(r"(?:XLMRoberta|Roberta)(For\w+)", str(architecture))
        if found:
            return found[1]
    return ""


def _classifier(name: str, path: str, loading: dict[str, Any]) -> ServedModel:
    """A model of labels, which scores pairs too where it has one label."""
    loaded = CrossEncoder(path, **loading)
    model, tokenizer, max_tokens = loaded.model, loaded.tokenizer, loaded.max_length
    if not model.config.id2label:
        raise ModelFileError(mismatch(f"{path}: config.json", "no labels", "at least one"))
    choose_function(model.config)  # an unknown one fails now and not at the first request
    _ = TextClassificationPipeline(model, tokenizer).labels  # likewise a label without a name

    def classify(tokenizer: Any, **options: Any) -> Steps:
        return Steps(TextClassificationPipeline(model, tokenizer), top_k=None, **options)

    def zero_shot(tokenizer: Any, **options: Any) -> Steps:
        return Steps(ZeroShotClassificationPipeline(model, tokenizer), **options)

    labels = {str(index): label for index, label in sorted(model.config.id2label.items())}
    about = {"id2label": labels, "label2id": {label: int(index) for index, label in labels.items()}}
    make: dict[str, Any] = {PREDICT: classify}
    kind = "classifier"
    if model.config.num_labels == 1:
        kind = "reranker"
        make[RERANK] = None  # steps of pairs are made for each request
    else:
        try:
            ZeroShotClassificationPipeline(model, tokenizer)
        except ModelFileError:
            pass  # no label means entailment
        else:
            make[ZERO_SHOT] = zero_shot
    return ServedModel(name, path, kind, {kind: about}, model, tokenizer, make, max_tokens)


def _task_model(
    name: str, path: str, ending: str, settings: ServeSettings, loading: dict[str, Any]
) -> ServedModel:
    """A model of token labels, answers or masked tokens."""
    task, route, kind = _PIPELINES[ending]
    made = pipeline(task, path, **loading)
    model, tokenizer = made.model, made.tokenizer

    def steps(tokenizer: Any, long_text: str, **options: Any) -> Steps:
        if route == QA and long_text == TRUNCATE:
            long_text = WINDOWS  # no context is cut
        task_pipeline = type(made)(model, tokenizer)
        if isinstance(task_pipeline, FillMaskPipeline):
            task_pipeline.logs_texts = False
        return Steps(task_pipeline, long_text=long_text, **options)

    make: dict[str, Any] = {route: steps}
    about: dict[str, Any] = {}
    if route == NER:
        about["id2label"] = {str(index): label for index, label in sorted(model.config.id2label.items())}
    info = {kind: about}
    if route == FILL_MASK and settings.pooling == "splade":

        def splade(tokenizer: Any, prompt: str, **options: Any) -> Steps:
            encoding = SpladeEncoding(model, tokenizer, made.max_tokens, **options)
            encoding.prompt = prompt
            return Steps(encoding)

        make[SPARSE], kind = splade, "embedding"
        info = {"embedding": {"pooling": "splade"}}
    return ServedModel(
        name,
        path,
        kind,
        info,
        model,
        tokenizer,
        make,
        made.max_tokens,
        default_prompt=(settings.default_prompt or "") if SPARSE in make else "",
    )


def _heads(model: RobertaModel, hub_options: HubOptions) -> BGEM3Heads | None:
    """bge-m3's heads; None where it cannot be known whether a repository has them: without the network, of a
    model in the cache. They are then not served."""
    try:
        return BGEM3Heads(model, hub_options, -1)
    except HubError as error:
        logger.warning("no lexical weights are served: %s", error)
        return None


def _embedder(
    name: str, path: str, settings: ServeSettings, hub_options: HubOptions, loading: dict[str, Any]
) -> ServedModel:
    """A model of vectors; with bge-m3's heads also of lexical weights and vectors of tokens."""
    cache: Any = hub_options.cache_dir
    loaded = SentenceTransformer(path, **loading, cache_folder=cache)
    if settings.pooling is not None:
        encoder = loaded[0]
        width = loaded._chain.encoder.get_embedding_dimension()
        modules = [encoder, Pooling(width, _POOLINGS[settings.pooling])]
        loaded = SentenceTransformer(
            modules=modules, prompts=loaded.prompts, default_prompt_name=loaded.default_prompt_name
        )
    chain, max_tokens = loaded._chain, loaded.max_seq_length
    heads = _heads(loaded.transformers_model, hub_options)

    def embed(output: str, tokenizer: Any, prompt: str, long_text: str, **options: Any) -> Steps:
        embedder = loaded.embedder(prompt=prompt, output_value=output, long_text=long_text, **options)
        embedder.tokenizer = tokenizer
        return Steps(embedder)

    def multi(wanted: Wanted, tokenizer: Any, prompt: str, **options: Any) -> Steps:
        assert heads is not None  # without them there are no such tasks
        encoding = MultiEncoding(chain, heads, wanted, prompt, max_tokens, **options)
        encoding.tokenizer = tokenizer
        return Steps(encoding)

    def all_of_it(tokenizer: Any, wanted: tuple[bool, bool, bool], **options: Any) -> Steps:
        return multi(Wanted(*wanted), tokenizer, **options)

    make: dict[str, Any] = {EMBED: partial(embed, VECTORS), EMBED_ALL: partial(embed, TOKENS)}
    if heads is not None and heads.sparse is not None:
        make[SPARSE] = partial(multi, Wanted(False, True, False))
    if heads is not None and (heads.sparse is not None or heads.colbert is not None):
        make[MULTI] = all_of_it
    prompts = dict(loaded.prompts)
    default = prompts.get(loaded.default_prompt_name or "", "")
    if settings.default_prompt is not None:
        default = settings.default_prompt
    elif settings.default_prompt_name is not None:
        if settings.default_prompt_name not in prompts:
            found = shown(settings.default_prompt_name)
            raise InputError(mismatch("default_prompt_name", found, f"one of {', '.join(prompts) or 'none'}"))
        default = prompts[settings.default_prompt_name]
    pooling = {"lasttoken": "last-token"}.get(chain.pooling.modes[0], chain.pooling.modes[0])
    return ServedModel(
        name,
        path,
        "embedding",
        {"embedding": {"pooling": pooling}},
        loaded.transformers_model,
        loaded.tokenizer,
        make,
        max_tokens,
        prompts,
        default,
        chain.dimension,
    )
