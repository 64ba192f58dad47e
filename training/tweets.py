"""The tweets that the bundled model is trained on: read, cleaned, and disjoint from those it is evaluated on.

Labelled: SemEval-2017 task 4A, 2013 to 2016, with escapes and entities decoded, and user names and links
masked as in TweetEval (@user, http). Unlabelled, for masked-language pretraining: the same and all other
English tweets in the data folder. Neither contains a tweet of TweetEval's sentiment val and test.
"""

from __future__ import annotations

import html
import re
import unicodedata
from pathlib import Path

LABELS = ("negative", "neutral", "positive")


def cleaned(text: str) -> str:
    """A tweet in TweetEval's form: escapes and entities decoded, names and links masked, on one line."""
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # joins escaped surrogate pairs
    text = html.unescape(html.unescape(text)).replace('\\""', '"').replace("\\n", " ").replace('""', '"')
    text = re.sub(r"https?://\S+|www\.\S+", "http", text)
    return " ".join(re.sub(r"(?<!\w)@\w+", "@user", text).split())


def key(text: str) -> str:
    """The letters of a tweet: equal for its copies, however escaped, masked, spaced or numbered."""
    text = unicodedata.normalize("NFKC", cleaned(text)).lower()
    return re.sub(r"[\W\d_]+", "", re.sub(r"@\w+|https?\S*", "", text))


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def tweeteval(data: Path, split: str) -> tuple[list[str], list[int]]:
    """TweetEval sentiment's `split` ("val" or "test"): unchanged texts, and labels."""
    folder = data / "tweeteval/sentiment"
    return lines(folder / f"{split}_text.txt"), [
        int(label) for label in lines(folder / f"{split}_labels.txt")
    ]


def judged(data: Path) -> set[str]:
    """Keys of all tweets by which the model is selected or evaluated."""
    return {key(text) for split in ("val", "test") for text in tweeteval(data, split)[0]}


def labelled(data: Path) -> tuple[list[str], list[int]]:
    """SemEval tweets and labels, each tweet once; the first label counts if copies disagree."""
    seen, texts, labels = judged(data), [], []
    for path in sorted((data / "semeval2017_4a").glob("*.tsv")):
        for line in lines(path):
            fields = line.split("\t")
            if len(fields) < 3 or fields[1] not in LABELS:
                continue
            text = fields[2]
            if key(text) in seen or "Not Available" in text:
                continue
            seen.add(key(text))
            texts.append(cleaned(text))
            labels.append(LABELS.index(fields[1]))
    return texts, labels


def unlabelled(data: Path) -> list[str]:
    """All English tweets in the data folder except val and test, each once, for pretraining."""
    texts, _ = labelled(data)
    seen = judged(data) | {key(text) for text in texts}
    sources = [
        *sorted((data / "tweeteval").glob("*/*_text.txt")),
        *sorted((data / "xlm-t/sentiment/english").glob("*_text.txt")),
    ]
    for path in sources:
        for text in lines(path):
            if key(text) not in seen:
                seen.add(key(text))
                texts.append(cleaned(text))
    return texts
