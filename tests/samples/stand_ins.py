"""Files that tests make to stand in for real test data that a clone alone does not have.

The paths are those of the real data. The checkpoint holds the bundled model's trained weights in the layout
of twitter-roberta-base-sentiment-latest: vocab.json, merges.txt, pytorch_model.bin and no tokenizer.json. The
sentencepiece model is trained with the `sentencepiece` package, as XLM-RoBERTa's was. All texts are made by
texts.py.
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import sentencepiece
import torch
from safetensors.torch import load_file

from roberta_c.files.bundled import bundled_model_path

from .texts import made_texts

TWEET_COUNTS = {"sentiment/test": 1200, "sentiment/val": 300, "irony/test": 100, "offensive/test": 100}
LABELS = ["negative", "neutral", "positive"]


def make_stand_in(relative_path: str, root: Path) -> Path | None:
    """The stand-in for a path of the real data, made below `root` by the first call; None: no stand-in."""
    path = root / relative_path
    for folder, make in MAKERS.items():
        if Path(relative_path).is_relative_to(folder):
            if not (root / folder).exists():
                (root / folder).mkdir(parents=True)
                make(root / folder)
            return path if path.exists() else None
    return None


def make_checkpoint(folder: Path) -> None:
    """The bundled model as models/tweet-sentiment-small is saved. Ids are permuted to fairseq's order: <mask>
    is the last; a random pooler and the position_ids buffer are added, which published files have too."""
    bundled = bundled_model_path()
    tokenizer = json.loads((bundled / "tokenizer.json").read_text("utf-8"))["model"]
    old_ids = tokenizer["vocab"]
    tokens = [token for token in sorted(old_ids, key=old_ids.get) if token != "<mask>"] + ["<mask>"]
    write_json(folder / "vocab.json", {token: index for index, token in enumerate(tokens)})
    merges = "".join(f"{left} {right}\n" for left, right in tokenizer["merges"])
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}", "utf-8")
    special = {"bos": "<s>", "eos": "</s>", "unk": "<unk>", "sep": "</s>", "pad": "<pad>", "cls": "<s>"}
    special["mask"] = "<mask>"
    write_json(
        folder / "special_tokens_map.json", {f"{role}_token": token for role, token in special.items()}
    )

    config = json.loads((bundled / "config.json").read_text("utf-8"))
    for key in ("add_cross_attention", "classifier_dropout", "dtype", "is_decoder", "tie_word_embeddings"):
        del config[key]
    config |= {"gradient_checkpointing": False, "position_embedding_type": "absolute"}
    write_json(folder / "config.json", config | {"transformers_version": "4.13.0"})

    state = {name: tensor.float() for name, tensor in load_file(bundled / "model.safetensors").items()}
    words = "roberta.embeddings.word_embeddings.weight"
    state[words] = state[words][[old_ids[token] for token in tokens]]
    generator = torch.Generator().manual_seed(0)
    hidden, positions = config["hidden_size"], config["max_position_embeddings"]
    state["roberta.pooler.dense.weight"] = 0.02 * torch.randn(hidden, hidden, generator=generator)
    state["roberta.pooler.dense.bias"] = torch.zeros(hidden)
    state = {"roberta.embeddings.position_ids": torch.arange(positions).expand((1, -1)), **state}
    torch.save(state, folder / "pytorch_model.bin")


def make_old_config(folder: Path) -> None:
    """A config.json as the first converted checkpoints have it: keys of that time, and ids that are null."""
    config = {
        "architectures": ["RobertaForMaskedLM"],
        "attention_probs_dropout_prob": 0.1,
        "bos_token_id": None,
        "eos_token_ids": None,
        "finetuning_task": None,
        "hidden_act": "gelu",
        "hidden_size": 768,
        "id2label": {"0": "LABEL_0", "1": "LABEL_1"},
        "intermediate_size": 3072,
        "label2id": {"LABEL_0": 0, "LABEL_1": 1},
        "layer_norm_eps": 1e-05,
        "max_position_embeddings": 514,
        "model_type": "roberta",
        "num_attention_heads": 12,
        "num_hidden_layers": 12,
        "num_labels": 2,
        "output_past": True,
        "pad_token_id": None,
        "pruned_heads": {},
        "torchscript": False,
        "type_vocab_size": 1,
        "vocab_size": 50265,
    }
    write_json(folder / "config.json", config)


def make_unigram_model(folder: Path) -> None:
    """A sentencepiece unigram model with XLM-RoBERTa's normalization (nmt_nfkc)."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(made_texts(6000)),
        model_writer=model,
        model_type="unigram",
        vocab_size=1500,
        hard_vocab_limit=False,
        character_coverage=0.9999,
        normalization_rule_name="nmt_nfkc",
        num_threads=1,
        minloglevel=2,
    )
    (folder / "sentencepiece.bpe.rebuilt.model").write_bytes(model.getvalue())


def make_tweets(folder: Path) -> None:
    """TweetEval's texts as they are laid out; labels are random."""
    for number, (name, count) in enumerate(TWEET_COUNTS.items()):
        path = folder / f"{name}_text.txt"
        path.parent.mkdir(exist_ok=True)
        write_lines(path, made_texts(count, "english", seed=number))
        labels = torch.randint(len(LABELS), (count,), generator=torch.Generator().manual_seed(number))
        write_lines(folder / f"{name}_labels.txt", map(str, labels.tolist()))


def make_raw_tweets(folder: Path) -> None:
    """One of SemEval's files: number, label and text, with the escapes that its texts have."""
    texts = made_texts(1000, "english", "french", seed=5)
    rows = (f"{number}\tneutral\t{text}".replace("é", r"\u00e9") for number, text in enumerate(texts))
    write_lines(folder / "twitter-2016dev-A.tsv", rows)


def make_tweets_of_four_languages(folder: Path) -> None:
    """xlm-t's texts as they are laid out."""
    for seed, language in enumerate(("arabic", "english", "french", "hindi")):
        (folder / language).mkdir()
        for split, count in {"train": 200, "val": 30, "test": 100}.items():
            write_lines(
                folder / language / f"{split}_text.txt", made_texts(count, language, seed=seed + count)
            )


def make_questions(folder: Path) -> None:
    """XQuAD's files: paragraphs of many sentences with questions."""
    for seed, (code, language) in enumerate({"ar": "arabic", "de": "german", "en": "english"}.items()):
        texts = made_texts(200, language, seed=seed)
        paragraphs = [
            {
                "context": " ".join(texts[i : i + 7]),
                "qas": [{"question": text} for text in texts[i + 7 : i + 10]],
            }
            for i in range(0, len(texts), 10)
        ]
        write_json(folder / f"xquad.{code}.json", {"data": [{"paragraphs": paragraphs}]})


def write_lines(path: Path, lines) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2), "utf-8")


MAKERS = {
    "models/tweet-sentiment-small": make_checkpoint,
    "data/roberta": make_old_config,
    "data/semeval2017_4a": make_raw_tweets,
    "data/tweeteval": make_tweets,
    "data/xlm-t/sentiment": make_tweets_of_four_languages,
    "data/xquad": make_questions,
    "data/xlmr": make_unigram_model,
}
