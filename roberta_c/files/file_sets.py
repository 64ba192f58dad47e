"""Which files each part of the package reads, in a folder or a Hub repository."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import InputError, mismatch, shown


class FileSet(NamedTuple):
    """The files that one part of the package reads.

    what      the name of these files in messages
    extras    optional files: each one that exists is fetched. config.json comes first, because every model
              repository has it, and the Hub's response to it names the commit of all other files.
    choices   alternatives, best first. The first of which a file exists is used; its other files may be
              missing.
    decisive  those of these files whose absence changes results. Without the network it may be unknown
              whether the repository has a file. A decisive file is then an error; any other counts as absent.
    """

    what: str
    extras: tuple[str, ...]
    choices: tuple[tuple[str, ...], ...]
    decisive: tuple[str, ...] = ()


CONFIG = FileSet("configuration", (), (("config.json",),))
TOKENIZER = FileSet(
    "tokenizer",
    ("config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    (("tokenizer.json",), ("vocab.json", "merges.txt", "sentencepiece.bpe.model")),
)
INDEX_SUFFIX = ".index.json"
# In transformers' order of preference. tf_model.h5, flax_model.msgpack and onnx/ are never read.
WEIGHT_FILES = (
    "model.safetensors",
    f"model.safetensors{INDEX_SUFFIX}",
    "pytorch_model.bin",
    f"pytorch_model.bin{INDEX_SUFFIX}",
)
# The shards that an index lists are fetched together with the index.
WEIGHTS = FileSet("weights", ("config.json",), tuple((name,) for name in WEIGHT_FILES))

# sentence-transformers: modules.json lists a model's modules and their folders, and the model's own settings
# are read only where there is such a list.
MODULES = "modules.json"
SETTINGS = "config_sentence_transformers.json"
MODULE_LIST = FileSet("configuration", ("config.json",), ((MODULES,), ("config.json",)), (MODULES,))
MODEL_SETTINGS = FileSet("settings of a model", (SETTINGS,), (), (SETTINGS,))
# The settings of the encoder beside its config.json, in sentence-transformers' order of preference: the file
# has the name of the model type that the encoder once had.
SENTENCE_SETTINGS = tuple(
    f"sentence_{name}_config.json"
    for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
ENCODER_SETTINGS = FileSet(
    "configuration", (), (*((name,) for name in SENTENCE_SETTINGS), *CONFIG.choices), SENTENCE_SETTINGS
)
MODULE_CONFIG = FileSet("configuration of a module", (), (("config.json",),))
# A Normalize may have no file at all. Its setting, what it reads, cannot be another one unnoticed: vectors
# after the Pooling, rows of tokens before it.
OPTIONAL_MODULE_CONFIG = FileSet("configuration of a module", ("config.json",), ())
MODULE_WEIGHTS = FileSet("weights of a module", (), (("model.safetensors",), ("pytorch_model.bin",)))

# The layers that bge-m3 has beside its encoder.
SPARSE, COLBERT = "sparse_linear.pt", "colbert_linear.pt"
BGE_M3_HEADS = FileSet("heads of bge-m3", ("config.json", SPARSE, COLBERT), (), (SPARSE, COLBERT))


def files_of_module(kind: str) -> tuple[FileSet, ...]:
    """The files in the folder of a module of this class, such as "Pooling"."""
    if kind == "Transformer":
        return ENCODER_SETTINGS, CONFIG, TOKENIZER, WEIGHTS
    if kind == "Dense":
        return MODULE_CONFIG, MODULE_WEIGHTS
    return (MODULE_CONFIG,) if kind == "Pooling" else (OPTIONAL_MODULE_CONFIG,)


def below(folder: str, files: FileSet) -> FileSet:
    """`files` of a folder in a repository; "" is the repository's own."""
    if not folder:
        return files

    def inside(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"{folder}/{name}" for name in names)

    return FileSet(
        files.what, inside(files.extras), tuple(map(inside, files.choices)), inside(files.decisive)
    )


def weights(use_safetensors: bool | None) -> FileSet:
    """WEIGHTS; with False or True without, or of, safetensors alone. Raises InputError."""
    if use_safetensors is None:
        return WEIGHTS
    if not isinstance(use_safetensors, bool):
        raise InputError(mismatch("use_safetensors", shown(use_safetensors), "True, False or None"))
    choices = tuple(choice for choice in WEIGHTS.choices if choice[0].startswith("model.") is use_safetensors)
    return WEIGHTS._replace(choices=choices)
