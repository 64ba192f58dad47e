"""The tweets that the bundled model learns from: read, cleaned, and kept apart from what it is judged on.

Labelled: SemEval-2017 task 4A, 2013 to 2016, user names and links masked as TweetEval does (@user, http),
escapes and entities undone. Unlabelled, for masked-language pretraining: these and all other English tweets
at hand. Every tweet of TweetEval's sentiment val and test is left out of both.
"""

from __future__ import annotations

import html
import re
import unicodedata
from pathlib import Path

LABELS = ("negative", "neutral", "positive")


def cleaned(text: str) -> str:
    """A tweet as TweetEval shows it: escapes and entities undone, names and links masked, one line."""
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
    text = text.encode("utf-16", "surrogatepass").decode(
        "utf-16", "replace"
    )  # escaped pairs are one character
    text = html.unescape(html.unescape(text)).replace('\\""', '"').replace("\\n", " ").replace('""', '"')
    text = re.sub(r"https?://\S+|www\.\S+", "http", text)
    return " ".join(re.sub(r"(?<!\w)@\w+", "@user", text).split())


def key(text: str) -> str:
    """What copies of one tweet share, however escaped, masked, spaced or numbered: their letters."""
    text = unicodedata.normalize("NFKC", cleaned(text)).lower()
    return re.sub(r"[\W\d_]+", "", re.sub(r"@\w+|https?\S*", "", text))


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def tweeteval(data: Path, split: str) -> tuple[list[str], list[int]]:
    """TweetEval sentiment's `split` ("val" or "test"): texts as they stand, and labels."""
    folder = data / "tweeteval/sentiment"
    return lines(folder / f"{split}_text.txt"), [
        int(label) for label in lines(folder / f"{split}_labels.txt")
    ]


def judged(data: Path) -> set[str]:
    """Keys of all tweets that the model is chosen by or judged on."""
    return {key(text) for split in ("val", "test") for text in tweeteval(data, split)[0]}


def labelled(data: Path) -> tuple[list[str], list[int]]:
    """SemEval tweets and labels, each tweet once; where copies disagree, the first label counts."""
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
    """All English tweets at hand but the judged ones, each once: what pretraining reads."""
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
