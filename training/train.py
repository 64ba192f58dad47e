"""Trains the bundled sentiment model from random weights: tokenizer to export.

    python training/train.py --data ../shared/data --work build/training

Every stage writes its result to --work, so that a later stage can be run again alone: name the stages to run
only those. README.md in this folder lists the experiments. Needs the `train` extra; runs on CPUs.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import transformers
import tweets
from ngram_teacher import opinions
from sentiment_tokenizer import MASK, PAD, trained_tokenizer
from tokenizers import Tokenizer

MAX_TOKENS = 512  # RoBERTa's limit; tweets need 75
HEAD_SIZE = 32

Rows = list[np.ndarray]


# ---- shared by the stages ---------------------------------------------------------------------------


def load_tokenizer(options: argparse.Namespace) -> Tokenizer:
    return Tokenizer.from_file(str(options.work / "tokenizer.json"))


def encoded(options: argparse.Namespace, texts: list[str]) -> Rows:
    """Token ids of each text."""
    tokenizer = load_tokenizer(options)
    tokenizer.enable_truncation(MAX_TOKENS)
    return [np.array(row.ids) for row in tokenizer.encode_batch(texts)]


def new_config(options: argparse.Namespace, dropout: float) -> transformers.RobertaConfig:
    return transformers.RobertaConfig(
        vocab_size=load_tokenizer(options).get_vocab_size(),
        hidden_size=options.hidden,
        num_hidden_layers=options.layers,
        num_attention_heads=options.hidden // HEAD_SIZE,
        intermediate_size=4 * options.hidden,
        max_position_embeddings=MAX_TOKENS + PAD + 1,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        id2label=dict(enumerate(tweets.LABELS)),
        label2id={label: number for number, label in enumerate(tweets.LABELS)},
        attn_implementation="eager",  # on CPUs the backward pass of fused attention takes four times as long
    )


def batches(rows: Rows, tokens: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Indices of rows in random batches of similar length, each of about `tokens` tokens."""
    lengths = np.array([len(row) for row in rows])
    order = np.argsort(lengths + rng.uniform(0, 3, len(lengths)))
    found, begin = [], 0
    while begin < len(order):
        size = max(1, tokens // int(lengths[order[begin : begin + 64]].max()))
        found.append(order[begin : begin + size])
        begin += size
    return [found[number] for number in rng.permutation(len(found))]


def padded(rows: Rows) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and attention mask."""
    ids = torch.full((len(rows), max(map(len, rows))), PAD)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.from_numpy(row)
    return ids, (ids != PAD).long()


def shifted_positions(attention: torch.Tensor) -> torch.Tensor:
    """RoBERTa's position ids, in every fourth row shifted by a random offset.

    No tweet reaches the last positions. Without shifts these would stay untrained, and longer texts would
    fail.
    """
    count, width = attention.shape
    offsets = torch.randint(0, MAX_TOKENS - width + 1, (count, 1)) * (torch.rand(count, 1) < 0.25)
    return (torch.cumsum(attention, 1) + offsets) * attention + PAD


class Trainer:
    """AdamW whose learning rate warms up, then decays to zero along a cosine over all epochs."""

    def __init__(self, model: torch.nn.Module, rate: float, epochs: int) -> None:
        self.model, self.rate, self.epochs = model, rate, epochs
        matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
        vectors = [parameter for parameter in model.parameters() if parameter.dim() <= 1]
        groups = [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-6)
        self.losses: list[float] = []

    def epoch(self, number: int, rows: Rows, tokens: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Yields the indices of each batch of epoch `number` (from 0); the caller steps once for each."""
        self.model.train()
        self.losses.clear()
        chosen = batches(rows, tokens, rng)
        for index, batch in enumerate(chosen):
            progress = (number + index / len(chosen)) / self.epochs
            falling = 0.5 * (1 + math.cos(math.pi * (progress - 0.06) / 0.94))
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate * (progress / 0.06 if progress < 0.06 else falling)
            yield batch

    def step(self, loss: torch.Tensor) -> None:
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.losses.append(loss.item())


def seeded(seed: int) -> np.random.Generator:
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


# ---- the stages --------------------------------------------------------------------------------------


def tokenizer(options: argparse.Namespace) -> None:
    """Trains tokenizer.json on all tweets except those of val and test."""
    trained = trained_tokenizer(tweets.unlabelled(options.data), options.vocab_size)
    trained.save(str(options.work / "tokenizer.json"))
    print(f"tokenizer: {trained.get_vocab_size()} tokens", flush=True)


def pretrain(options: argparse.Namespace) -> None:
    """Masked-language modelling on all tweets except val and test; new masks each epoch (Liu et al. 2019)."""
    rows, rng = encoded(options, tweets.unlabelled(options.data)), seeded(0)
    config = new_config(options, dropout=0.0)  # so few epochs do not overfit
    model = transformers.RobertaForMaskedLM(config)
    trainer, begin = Trainer(model, 1e-3, options.pretrain_epochs), time.time()
    for epoch in range(options.pretrain_epochs):
        for batch in trainer.epoch(epoch, rows, 4096, rng):
            ids, attention = padded([rows[index] for index in batch])
            chosen = (torch.rand(ids.shape) < 0.2) & (ids > MASK)
            draw = torch.rand(ids.shape)
            given = torch.where(chosen & (draw < 0.8), MASK, ids)
            given = torch.where(
                chosen & (draw > 0.9), torch.randint(MASK + 1, config.vocab_size, ids.shape), given
            )
            with torch.autocast("cpu", torch.bfloat16):
                hidden = model.roberta(given, attention, position_ids=shifted_positions(attention))
                logits = model.lm_head(hidden.last_hidden_state[chosen])
            trainer.step(torch.nn.functional.cross_entropy(logits.float(), ids[chosen]))
        print(
            f"pretrain epoch {epoch + 1}: loss {np.mean(trainer.losses):.3f}, {time.time() - begin:.0f} s",
            flush=True,
        )
    model.save_pretrained(options.work / "pretrained")


def teach(options: argparse.Namespace) -> None:
    """Saves the teacher's probabilities for all tweets, in the order of tweets.unlabelled."""
    texts, labels = tweets.labelled(options.data)
    own, more = opinions(texts, np.array(labels), tweets.unlabelled(options.data)[len(texts) :])
    np.save(options.work / "teacher.npy", np.concatenate([own, more]))
    print(
        f"teacher: macro recall {macro_recall(own, np.array(labels)):.4f} on tweets it had not seen",
        flush=True,
    )


def finetune(options: argparse.Namespace) -> None:
    """Trains students on labels and teachers. Each student except the last becomes a second teacher.

    A student of a like model does better than that model (Furlanello et al. 2018, "Born-again neural
    networks"), although such a teacher, unlike the n-grams, was trained on the tweets for which it gives
    probabilities.
    """
    rows, teacher = encoded(options, tweets.unlabelled(options.data)), np.load(options.work / "teacher.npy")
    for generation in range(options.generations):
        model = student(options, rows, teacher, generation)
        model.save_pretrained(options.work / "finetuned")
        if generation + 1 < options.generations:
            opinion = torch.from_numpy(predicted(model, rows)).softmax(1).numpy()
            teacher = (teacher + opinion) / 2


def student(options: argparse.Namespace, rows: Rows, teacher: np.ndarray, seed: int) -> torch.nn.Module:
    """The pretrained model, fine-tuned on all `rows`; the labelled rows come first."""
    _, labels = tweets.labelled(options.data)
    known = np.concatenate([labels, np.full(len(rows) - len(labels), -1)])
    # Macro recall gives classes equal weight; the tweets have classes of unequal size.
    weights = torch.tensor(len(labels) / np.bincount(labels) / len(tweets.LABELS), dtype=torch.float32)
    rng, begin = seeded(seed), time.time()
    model = transformers.RobertaForSequenceClassification.from_pretrained(
        options.work / "pretrained", config=new_config(options, options.dropout)
    )
    trainer = Trainer(model, options.rate, options.epochs)
    for epoch in range(options.epochs):
        for batch in trainer.epoch(epoch, rows, 2048, rng):
            ids, attention = padded([rows[index] for index in batch])
            hidden = (torch.rand(ids.shape) < options.word_dropout) & (ids > MASK)
            with torch.autocast("cpu", torch.bfloat16):
                given, positions = torch.where(hidden, MASK, ids), shifted_positions(attention)
                logits = model(given, attention, position_ids=positions).logits.float()
            label, taught = torch.from_numpy(known[batch]), torch.from_numpy(teacher[batch])
            by_label = torch.nn.functional.cross_entropy(
                logits, label.clamp(min=0), weight=weights, label_smoothing=0.1, reduction="none"
            )
            by_teacher = -(taught * logits.log_softmax(1)).sum(1)
            share = torch.where(label >= 0, options.label_share, 0.0)
            trainer.step(torch.lerp(by_teacher, by_label, share).mean())
        print(
            f"student {seed} epoch {epoch + 1}: "
            f"val macro recall {macro_recall(*on_split(options, model, 'val')):.4f}, "
            f"{time.time() - begin:.0f} s",
            flush=True,
        )
    return model


def export(options: argparse.Namespace) -> None:
    """Writes the standard files in float16, and prints their score on val."""
    folder = options.work / "model"
    config = new_config(options, options.dropout)
    model = transformers.RobertaForSequenceClassification.from_pretrained(
        options.work / "finetuned", config=config, dtype=torch.float16
    )
    model.save_pretrained(folder)
    shutil.copyfile(options.work / "tokenizer.json", folder / "tokenizer.json")
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": MAX_TOKENS,
        "add_prefix_space": True,
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder}: {size / 2**20:.2f} MiB; val: {report(options, 'val')}", flush=True)


def test(options: argparse.Namespace) -> None:
    """Prints the score on TweetEval's test. Only for a finished model: no choice may depend on it."""
    print(f"test: {report(options, 'test')}", flush=True)


# ---- evaluation -------------------------------------------------------------------------------------


def predicted(model: torch.nn.Module, rows: Rows) -> np.ndarray:
    """Logits (len(rows), C)."""
    model.eval()
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    logits = np.empty((len(rows), len(tweets.LABELS)), dtype=np.float32)
    with torch.inference_mode():
        for begin in range(0, len(order), 128):
            batch = order[begin : begin + 128]
            logits[batch] = model(*padded([rows[index] for index in batch])).logits.numpy()
    return logits


def on_split(
    options: argparse.Namespace, model: torch.nn.Module, split: str
) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels of TweetEval's `split`."""
    texts, labels = tweets.tweeteval(options.data, split)
    return predicted(model, encoded(options, texts)), np.array(labels)


def recalls(scores: np.ndarray, labels: np.ndarray) -> list[float]:
    found = scores.argmax(axis=1)
    return [float((found[labels == label] == label).mean()) for label in range(len(tweets.LABELS))]


def macro_recall(scores: np.ndarray, labels: np.ndarray) -> float:
    """The mean recall of the classes: TweetEval's measure for sentiment."""
    return float(np.mean(recalls(scores, labels)))


def report(options: argparse.Namespace, split: str) -> str:
    """The scores of the exported model on TweetEval's `split`, as a sentence."""
    model = transformers.RobertaForSequenceClassification.from_pretrained(
        options.work / "model", dtype=torch.float32
    )
    scores, labels = on_split(options, model, split)
    each = ", ".join(
        f"{name} {recall:.3f}" for name, recall in zip(tweets.LABELS, recalls(scores, labels), strict=True)
    )
    accuracy = (scores.argmax(axis=1) == labels).mean()
    return f"macro recall {macro_recall(scores, labels):.4f} ({each}), accuracy {accuracy:.4f}"


STAGES = {stage.__name__: stage for stage in (tokenizer, pretrain, teach, finetune, export, test)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "stages", nargs="*", metavar="STAGE", help=f"of {', '.join(STAGES)}; all but test by default"
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("build/training"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--vocab-size", type=int, default=10000)
    parser.add_argument("--hidden", type=int, default=192)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--pretrain-epochs", type=int, default=8)
    parser.add_argument("--generations", type=int, default=2, help="of students")
    parser.add_argument("--epochs", type=int, default=3, help="of each student")
    parser.add_argument(
        "--label-share", type=float, default=0.3, help="of the loss; the rest is the teacher's"
    )
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--word-dropout", type=float, default=0.1)
    options = parser.parse_args()
    unknown = [stage for stage in options.stages if stage not in STAGES]
    if unknown:
        parser.error(f"found stage {unknown[0]!r}, expected one of {', '.join(STAGES)}")
    if options.generations < 1:
        parser.error(f"--generations: found {options.generations}, expected at least 1")
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    for stage in options.stages or [stage for stage in STAGES if stage != "test"]:
        STAGES[stage](options)


if __name__ == "__main__":
    main()
