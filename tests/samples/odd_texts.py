"""Texts on which encoders of texts may differ: odd characters, clusters of them, and white space."""

from __future__ import annotations

from random import Random

ODD_TEXTS = [
    "",
    " ",
    "\n",
    "a",
    " a",
    "a ",
    "  a  b  ",
    "\ta\u00a0b\u3000c\u2028d\u0085e\x0bf\x1cg\u200bh\ufeffi",
    "a\r\nb\rc\n\nd\r\n",
    "a\0b\0",
    "▁",
    "▁a▁▁b▁",
    "a ▁ b",
    "™ ﬁ ﷺ ㍿ Ⅷ ½ ①② ＡＢＣ ｶﾞ ﾊﾟ",
    "™\x1eg",
    "\u00ad\u200b\ufeffa",
    "\x01\x02a\x7f",
    "e\u0301 é \u0301 a\u0301\u0302\u0303\u0304\u0305 \n\u0301",
    "Å Å Å",
    "한국어 한국어",
    "\u1100\u1161\u11a8 \u1100\u0301 가\u11a8",
    "हिन्दी क्षि कि\u0301 क्\u200dष",
    "العَرَبِيَّةُ \u0600\u0661 لا ﻻ ﷲ",
    "ไทย กำ เก็บ",
    "👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷🇺 1️⃣ ©️ ©\u200d© a🏽",
    "á\u0328 \u0928\u093c \u0a36 \u1e9b\u0323",
    "ﬀﬁﬂﬃﬄﬅﬆ",
    "İıßẞǅǆ",
    "\U0001f9ff\U000e0100a\U000e0001\ufe0f",
    "a" * 300,
    "日本" * 200,
    "\u0301" * 50,
    "don't I'll we've IT'S 'tis 1'2 'S 's''s",
    "x  \n  y\t\tz \r\n\r\n w",
    "12 345 ٣٤ ⅓ Ⅻ ²",
    "a_b-c(d)e[f]{g}<h>|i\\j/k",
    "\u2581\u0301a \u2581",
]
_PARTS = [
    *"abcXYZ 019.,!?'-_@#\n\t\r",
    *("  ", "\r\n", "'s", "'ll", "’t", "▁", "\u00a0", "\u3000", "\u200b", "\u200d", "\ufe0f", "\u0301", "\u0327"),
    *("é", "ß", "ü", "Å", "™", "ﬁ", "½", "①", "Ａ", "ﾞ", "ｶ", "ﷺ", "©", "®", "\u00ad", "\ufeff", "\0", "\x1e"),
    *("日", "本", "語", "の", "ト", "한", "국", "\u1100", "\u1161", "क", "ि", "्", "ष", "ا", "ل", "َ", "ّ", "ไ", "ำ"),
    *("👍", "🏽", "❤", "🇩", "🇪", "😀", "𝐀", "𐍈", "\U000e0100", "\u0600", "\u0e33", "ש", "ּ", "г", "й", "Ω"),
]


def mixtures(rng: Random, count: int) -> list[str]:
    """Texts of parts that are hard side by side."""
    return ["".join(rng.choices(_PARTS, k=rng.randint(1, 24))) for _ in range(count)]
