"""Our tokenizer beside transformers' fast one: loads both, compares their results; texts at the edges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import transformers

from roberta_c.tokenizer import AddedToken, AutoTokenizer

ODD_TEXTS = [
    "",
    " ",
    "   ",
    "\t",
    "\n",
    " \t\r\n ",
    "a",
    " a",
    "a ",
    "  a  b  ",
    "a\tb\nc\r\nd",
    "no\u00a0break\u00a0space",
    "ideographic\u3000space\u3000",
    "thin\u2009en\u2002zero\u200bwidth\ufeffjoined",
    "line\u2028separator\u2029paragraph\u0085next",
    "\ufeffbyte order mark",
    "👩‍👩‍👧‍👦 family",
    "🏳️‍🌈🏴‍☠️👍🏽 flags",
    "e\u0301 e\u0301\u0301 a\u0308\u0304 n\u0303",
    "\u0301 begins with a mark",
    "Z\u0351\u036b\u0343\u036a\u0302a\u034b\u0367l\u0344g\u0302o\u0300",
    "Å A\u030a \u212b",
    "ﬁ ﬂ ﬃ ½ ² ™ №",
    "ＦＵＬＬ　ｗｉｄｔｈ　１２３",
    "ﾊﾝｶｸ ｶﾞ ﾊﾟ",
    "日本語のテキスト",
    "中文文本，没有空格。",
    "한국어 텍스트 ᄒ\u1161\u11ab",
    "ภาษาไทยไม่มีช่องว่าง",
    "हिन्दी में क्षत्रिय",
    "עברית עם ניקוד: שָׁלוֹם",
    "مرحبا بالعالم",
    "ﻣﺮﺣﺒﺎ ﺑﺎﻟﻌﺎﻟﻢ ﻻ ﷺ ﷽",
    "ﻧِﻔﺲ ﻓﻴّﻨﻲ ﻃﻔﻼً",
    "abc \u202eright to left\u202c def",
    "0 1 2 10 007 3.14 1,000,000 ٣٤ ４",
    "!!!??... --- ___ ~~~ ```",
    "don't can't I'll we've you're he'd it's DON'T",
    "C:\\path\\to /usr/bin && echo $HOME #tag @user",
    "https://example.org/a?b=c&d=%20e#f",
    "nul\x00in\x00side",
    "\x01\x02\x03 control \x1b[0m \x7f \x9f",
    "soft\u00adhyphen",
    "\ufffd replacement \ufffe \uffff noncharacters",
    "\U0010ffff \U000e0001 astral",
    "𝒎𝒂𝒕𝒉 𝔣𝔯𝔞𝔨𝔱𝔲𝔯 🄰🄱",
    "a" * 3000,
    "ab" * 700 + " end",
    "word " * 300,
    "é" * 400,
    "▁literal ▁▁ metaspace Ġ Ċ",
    "<s>",
    "</s>",
    "<pad>",
    "<unk>",
    "<mask>",
    "a <s> b </s> c <pad> d <unk> e <mask> f",
    "a<s>b</s>c<pad>d<unk>e<mask>f",
    "  <s>  </s>  <mask>  <mask>\t<mask>\n<pad> ",
    "<mask><mask> <mask>.",
    "<S> < s> <s > </s <mask",
    "<s><s></s></s>",
    "it is <mask> here, \u00a0<mask>\u3000<mask>",
]


def load_both(folder: Path, **overrides):
    """Our tokenizer and transformers', loaded from the same files."""
    return tuple(
        auto.from_pretrained(folder, **overrides) for auto in (AutoTokenizer, transformers.AutoTokenizer)
    )


def give_mask_lstrip(theirs) -> None:
    """Gives <mask> of transformers' tokenizer lstrip (it takes the space before it), which the published
    tokenizers have. transformers 5.23 builds it without lstrip from vocab.json and merges.txt, and from a
    sentencepiece model."""
    theirs.add_tokens([AddedToken("<mask>", lstrip=True, normalized=False, special=True)])


def as_lists(encoded) -> dict:
    return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in encoded.items()}


def assert_same(ours, theirs) -> None:
    assert type(ours).__name__ == type(theirs).__name__ == "BatchEncoding"
    assert as_lists(ours) == as_lists(theirs)
