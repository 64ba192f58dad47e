"""The bundled model's tokenizer: byte-level BPE that includes the cleaning of tweets.

The tokenizer itself masks user names and links (as TweetEval does: @user, http), lowercases, and makes curly
quotes straight. Raw tweets therefore need no cleaning, and a small vocabulary covers more of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
BEGIN, PAD, END, MASK = (SPECIAL.index(token) for token in ("<s>", "<pad>", "</s>", "<mask>"))


def trained_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """A tokenizer of at most `vocab_size` tokens, learned from `texts`."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(r"https?://\S+|www\.\S+"), "http"),
            normalizers.Replace(Regex(r"(?<!\w)@\w+"), "@user"),
            normalizers.Replace("\u2019", "'"),
            normalizers.Lowercase(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", END), ("<s>", BEGIN), trim_offsets=True, add_prefix_space=True
    )
    return tokenizer
