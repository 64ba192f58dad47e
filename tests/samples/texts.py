"""Texts of eight languages in the manner of tweets, made from the sentences below: always the same ones."""

from __future__ import annotations

import random

SENTENCES = {
    "english": """I love this so much, thank you all!
This is the worst service ever and I will never come back.
The match starts at 9pm on Saturday at Wembley Stadium.
They're not even like that, don't you think?
I can't believe we've already lost the third game of the season.
The committee will meet again on the 14th of March.
My cat has eaten the fish, the bread and half of the cake.
So happy to see you here, it's going to be a great night!
What a terrible film: two hours of my life that nobody gives back.
Apple opens 25 new stores in Europe, says the New York Times.
The queue at the airport was long, but everyone stayed friendly.
He said "maybe tomorrow" (again), and then he left for good.
Does anybody know whether the library is open on Monday?
We'll be in London, Paris & Berlin next month; tickets are sold out.
I'm so tired of this rain, winter may end now please.""",
    "german": """Die Mannschaft hat gestern Abend verdient gewonnen.
Warum fährt der Zug schon wieder nicht pünktlich los?
Größe, Maße und Gewicht stehen auf der Rückseite der Verpackung.
Das Frühstück im Hotel war köstlich, das Zimmer leider zu laut.
Im Jahr 1998 zählte die Stadt 1.250.000 Einwohner.""",
    "french": """J'adore cette chanson, elle me rend toujours heureuse !
L'équipe n'a pas réussi à marquer un seul but aujourd'hui.
Où est-ce qu'on peut trouver un bon café près d'ici ?
Le musée ouvre à 9 h 30, sauf le mardi et les jours fériés.
Ça suffit : c'était encore très décevant, même pour eux.""",
    "arabic": """أحب هذه الأغنية كثيرا وأسمعها كل يوم
لماذا تأخر القطار مرة أخرى هذا الصباح؟
الفريق لم يسجل أي هدف في المباراة الأخيرة، لكنه تأهل
مبروك عليكم النجاح في الامتحان يا أصدقائي الأعزاء
تقع المدينة على ساحل البحر ويبلغ عدد سكانها 350 ألف نسمة""",
    "hindi": """मुझे यह गाना बहुत पसंद है, धन्यवाद!
आज फिर बारिश हो रही है और ट्रेन देर से आएगी।
क्षत्रिय राजाओं ने इस किले को 1650 में बनवाया था।
यह फ़िल्म बिल्कुल अच्छी नहीं थी, पैसे बर्बाद हो गए।
क्या आप कल शाम को मेरे साथ बाज़ार चलेंगे?""",
    "japanese": """東京は今日も雨です。明日は晴れるでしょうか。
この映画は本当に面白かったので、もう一度見たいです。
ﾊﾝｶｸのカタカナとＦＵＬＬ　ＷＩＤＴＨの文字。""",
    "russian": """Мне очень понравился этот концерт, спасибо вам!
Поезд снова опаздывает, и никто не знает почему.
В 2015 году население города составило 48 тысяч человек.""",
    "greek": """Μου αρέσει πολύ αυτό το τραγούδι, ευχαριστώ!
Το μουσείο είναι κλειστό κάθε Δευτέρα.""",
}
DECORATIONS = """\
@user
@user @user
http
https://example.org/a?b=c&d=1
#Blessed
#winterIsComing
😂😂😂
❤️
👩‍💻
RT
...
!!!
:-)
lol
½ price
№ 7
café
e\u0301te\u0301
‘quoted’ “text”
ﻣﺮﺣﺒﺎ
&amp;
<3
10,000.50"""


def made_texts(count: int, *languages: str, seed: int = 0) -> list[str]:
    """`count` texts of one to three sentences, out of `languages` (none given: all), with what tweets add:
    mentions, links, hashtags, emoji, shortened and capitalized words, doubled and trailing spaces."""
    choose = random.Random(seed)
    sentences = [line for name in languages or SENTENCES for line in SENTENCES[name].split("\n")]
    words = " ".join(sentences).split(" ")
    texts = []
    for _ in range(count):
        parts = choose.sample(sentences, choose.choice((1, 1, 1, 2, 3)))
        if choose.random() < 0.3:  # words of several sentences in an order that no sentence has
            parts[0] = " ".join(choose.choices(words, k=choose.randint(1, 25)))
        for _ in range(choose.choice((0, 1, 1, 2))):
            parts.insert(choose.randint(0, len(parts)), choose.choice(DECORATIONS.split("\n")))
        text = " ".join(parts)
        if choose.random() < 0.1:
            text = choose.choice((text.upper(), text.replace(" ", "  "), text[: len(text) // 2]))
        texts.append(text + choose.choice(("", " ")))
    return texts
